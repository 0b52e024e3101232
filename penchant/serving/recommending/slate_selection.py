"""Who chooses the slate: the place where a policy is plugged in.

A picker gets one user's candidates, best first, and picks ``k`` of them. It alone knows with
what chance each was picked, so it gives the chances back, and they are logged as they are. Whatever
it needs beside (beliefs, facts, which arm of an experiment the user is in) it is made with.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """What a user may be shown, filters passed, in the order in which it would be shown if
    nothing was explored.

    ``scores_C``: what put them in this order, before diversity; ``sources``: what found each, such
    as ``ranker``. Scores of one source compare, of two they don't.
    """

    item_ids: tuple[str, ...]
    scores_C: FloatArray
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.item_ids)


@dataclass(frozen=True)
class Slate:
    """``places``: of the picks among the candidates, first position first; each at most once.
    ``propensities``: the chance of each pick, given those before it. ``policy``: the id under which
    impressions are logged. ``chances_KC``: of every candidate at every position, given the picks
    before it; None where only the picks were possible. ``context``: what the policy knew, JSON."""

    places: tuple[int, ...]
    propensities: tuple[float, ...]
    policy: str
    chances_KC: FloatArray | None = None
    context: str | None = None


class Picker(Protocol):
    """Chooses slates. Shared between threads."""

    def wanted(self, k: int) -> int:
        """How many candidates a slate of ``k`` may be picked from."""

    def pick(
        self, user_id: str, candidates: Candidates, k: int, slate_id: str, release: Path
    ) -> Slate:
        """The slate of one request: ``min(k, len(candidates))`` picks, none where there are no
        candidates. ``user_id``: as asked, also of a user who is not known. ``slate_id``: what
        seeds all chance. ``release``: where the one lies that the candidates are of."""


@dataclass(frozen=True)
class InOrder:
    """Shows the first ``k`` always: nothing is explored. ``choice``: candidates for each position,
    to be told the same ones as a policy that looks at so many."""

    policy: str
    choice: int = 1

    def wanted(self, k: int) -> int:
        return self.choice * k

    def pick(
        self, user_id: str, candidates: Candidates, k: int, slate_id: str, release: Path
    ) -> Slate:
        length = min(k, len(candidates))
        return Slate(tuple(range(length)), (1.0,) * length, self.policy)
