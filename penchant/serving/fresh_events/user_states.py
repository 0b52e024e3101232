"""A user as a release knows them, with what they did since folded in."""

from collections.abc import Callable
from typing import Protocol

from penchant.encoders.history import History
from penchant.releases.fold_in import FoldIn
from penchant.releases.opened import OpenRelease
from penchant.serving.fresh_events.events import Event
from penchant.serving.fresh_events.fresh_history import fresh_history
from penchant.serving.recommending.user_state import UserState, published_vector


class EventsSince(Protocol):
    """``FreshEvents``, or these and what somebody supposes."""

    def of(self, user_id: str, last_feedback: str | None) -> list[Event]:
        """A user's events that a snapshot does not have, as they were received; each once."""


class FreshUserStates:
    """Safe to share between threads. ``folded`` is called for each vector that is made anew."""

    def __init__(self, events: EventsSince, folded: Callable[[], None] = lambda: None) -> None:
        self._events, self._folded = events, folded

    def of(self, opened: OpenRelease, user_id: str) -> UserState:
        """As published where nothing came since, or nothing about an item that the encoder knows;
        so too where the release has no encoder."""
        fresh = self._since(opened, user_id)
        bought = frozenset(
            event.item_id for event in fresh if event.item_id and event.event_type == "purchase"
        )
        fold_in = opened.fold_in
        if fresh and fold_in:
            later = fresh_history(fresh, fold_in.learned_from, fold_in.as_of)
            if fold_in.encoder.knows(later):
                vector_D = fold_in.fold(fold_in.history(user_id).then(later))
                self._folded()
                return UserState(user_id, vector_D, folded=True, bought_since=bought)
        return UserState(user_id, published_vector(opened, user_id), bought_since=bought)

    def history(self, opened: OpenRelease, fold_in: FoldIn, user_id: str) -> History:
        """What the vector of ``of`` is made of."""
        fresh = self._since(opened, user_id)
        later = fresh_history(fresh, fold_in.learned_from, fold_in.as_of)
        return fold_in.history(user_id).then(later)

    def _since(self, opened: OpenRelease, user_id: str) -> list[Event]:
        return self._events.of(user_id, opened.release.last_feedback)
