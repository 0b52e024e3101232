"""The ranking stage: the interface between a request and the ranking model."""

from dataclasses import dataclass
from typing import Protocol

from penchant.api_schemas import Fallback
from penchant.releases.item_arrays import BoolArray
from penchant.releases.opened import OpenRelease
from penchant.serving.recommending.candidates import Candidates
from penchant.serving.recommending.user_state import UserState


@dataclass(frozen=True)
class Ranked:
    """``candidates``: best first; None where the model did not rank. ``fallback``: why."""

    candidates: Candidates | None
    fallback: Fallback | None = None


class RankingStage(Protocol):
    """Ranks candidates for a request. Shared between threads."""

    def rank(self, opened: OpenRelease, user: UserState, allowed_I: BoolArray | None) -> Ranked:
        """The allowed candidates, ranked; it raises nothing that precomputed lists can replace."""


class Precomputed:
    """Leaves every request to the release's lists, vectors and popularity."""

    def rank(self, opened: OpenRelease, user: UserState, allowed_I: BoolArray | None) -> Ranked:
        return Ranked(None)


PRECOMPUTED = Precomputed()
