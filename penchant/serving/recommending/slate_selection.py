"""Slate selection: the interface between candidates and a policy.

A selector gets one user's candidates, best first, and selects ``k`` of them. Only the selector
knows the propensity of each action, so it returns them and they are logged as returned.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SlateCandidates:
    """Candidates of a slate after filters and re-ranking, in the order without exploration.

    ``scores_C``: before re-ranking. ``sources``: what found each, such as ``ranker``; scores
    compare within a source only.
    """

    item_ids: tuple[str, ...]
    scores_C: FloatArray
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.item_ids)


@dataclass(frozen=True)
class Slate:
    """``actions``: places of the selected candidates, first position first, each at most once.

    ``propensities``: of each action, given those before it. ``policy``: the id that impressions are
    logged with. ``propensities_KC``: of every candidate at every position that was drawn, given the
    actions before it; later positions are not drawn. None where the policy is deterministic.
    ``context``: of the selection, as JSON.
    """

    actions: tuple[int, ...]
    propensities: tuple[float, ...]
    policy: str
    propensities_KC: FloatArray | None = None
    context: str | None = None


class SlateSelector(Protocol):
    """Selects slates. Shared between threads."""

    def candidates_needed(self, k: int) -> int:
        """How many candidates a slate of ``k`` is selected from."""

    def select(
        self, user_id: str, candidates: SlateCandidates, k: int, slate_id: str, release: Path
    ) -> Slate:
        """The slate of one request: ``min(k, len(candidates))`` actions.

        ``user_id``: may be unknown. ``slate_id``: the seed. ``release``: the folder of the
        candidates' release.
        """


@dataclass(frozen=True)
class TopK:
    """The first ``k`` candidates, without exploration. ``per_position``: candidates that are
    requested for each position, to get the same ones as a policy that requests as many."""

    policy: str
    per_position: int = 1

    def candidates_needed(self, k: int) -> int:
        return self.per_position * k

    def select(
        self, user_id: str, candidates: SlateCandidates, k: int, slate_id: str, release: Path
    ) -> Slate:
        length = min(k, len(candidates))
        return Slate(tuple(range(length)), (1.0,) * length, self.policy)
