"""The state of a user: as published, or with the events since."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

from penchant.encoders.history import History
from penchant.interactions import ItemEvent
from penchant.releases.fold_in import FoldIn
from penchant.releases.opened import OpenRelease
from penchant.releases.release import BOUGHT_ITEMS
from penchant.vectors import FloatArray


@dataclass(frozen=True)
class UserState:
    """``vector``: of the user, or what reads it: most ranked requests need none. ``folded_in``:
    whether it includes events since the release. ``events_since``: these events, in the order of
    arrival."""

    user_id: str
    vector: FloatArray | Callable[[], FloatArray | None] | None
    folded_in: bool = False
    events_since: tuple[ItemEvent, ...] = ()

    @cached_property
    def vector_D(self) -> FloatArray | None:
        """The retriever's vector of the user; None without one."""
        return self.vector() if callable(self.vector) else self.vector

    @property
    def bought_since(self) -> frozenset[str]:
        """Items bought after the snapshot."""
        return frozenset(
            event.item_id
            for event in self.events_since
            if event.item_id and event.event_type == "purchase"
        )

    def bought(self, opened: OpenRelease) -> frozenset[str]:
        """All items that the user ever bought."""
        if not opened.release.has(BOUGHT_ITEMS):
            return self.bought_since  # the snapshot has no purchase
        row = opened.row(BOUGHT_ITEMS, self.user_id)
        return self.bought_since.union(row["item_ids"] if row else ())


class UserStates(Protocol):
    """A source of user states. Shared between threads."""

    def of(self, opened: OpenRelease, user_id: str) -> UserState:
        """The state of a user on a release."""

    def history(self, opened: OpenRelease, fold_in: FoldIn, user_id: str) -> History:
        """The history that the vector of ``of`` is made of; empty for an unknown user."""


class PublishedOnly:
    """User states as the release has them."""

    def of(self, opened: OpenRelease, user_id: str) -> UserState:
        return UserState(user_id, partial(published_vector, opened, user_id))

    def history(self, opened: OpenRelease, fold_in: FoldIn, user_id: str) -> History:
        return fold_in.history(user_id)


PUBLISHED_ONLY = PublishedOnly()


def published_vector(opened: OpenRelease, user_id: str) -> FloatArray | None:
    """vector_D of a user; None for an unknown user, and where popularity serves."""
    release = opened.release
    if not release.has_vectors:
        return None
    row = opened.row(release.user_vectors, user_id)
    return None if row is None else release.user_vector(row)
