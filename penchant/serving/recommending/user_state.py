"""What is known of the user who is asked for: as published, or with what happened since."""

from dataclasses import dataclass
from typing import Protocol

from penchant.encoders.history import History
from penchant.releases.fold_in import FoldIn
from penchant.releases.opened import OpenRelease
from penchant.releases.release import BOUGHT_ITEMS
from penchant.vectors import FloatArray


@dataclass(frozen=True)
class UserState:
    """``vector_D``: the retriever's, None where it has none. ``folded``: whether it knows of more
    than the release's ranked lists do. ``bought_since``: items bought after the snapshot."""

    user_id: str
    vector_D: FloatArray | None
    folded: bool = False
    bought_since: frozenset[str] = frozenset()

    def bought(self, opened: OpenRelease) -> frozenset[str]:
        """All that the user ever bought."""
        if not opened.release.has(BOUGHT_ITEMS):
            return self.bought_since  # nobody had bought anything
        row = opened.row(BOUGHT_ITEMS, self.user_id)
        return self.bought_since.union(row["item_ids"] if row else ())


class UserStates(Protocol):
    """Who knows a user. Shared between threads."""

    def of(self, opened: OpenRelease, user_id: str) -> UserState:
        """As the release knows them, and whatever came after."""

    def history(self, opened: OpenRelease, fold_in: FoldIn, user_id: str) -> History:
        """What the vector of ``of`` is made of; empty for a user of whom nothing is known."""


class AsPublished:
    """Nothing is known but what the release has."""

    def of(self, opened: OpenRelease, user_id: str) -> UserState:
        return UserState(user_id, published_vector(opened, user_id))

    def history(self, opened: OpenRelease, fold_in: FoldIn, user_id: str) -> History:
        return fold_in.history(user_id)


AS_PUBLISHED = AsPublished()


def published_vector(opened: OpenRelease, user_id: str) -> FloatArray | None:
    """vector_D of a user; None for one without, and where popularity serves."""
    release = opened.release
    if not release.has_vectors:
        return None
    row = opened.row(release.user_vectors, user_id)
    return None if row is None else release.user_vector(row)
