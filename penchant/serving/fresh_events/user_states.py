"""User states with the events since the release folded in."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from penchant.encoders.history import History
from penchant.releases.fold_in import FoldIn
from penchant.releases.opened import OpenRelease
from penchant.serving.fresh_events.events import Event
from penchant.serving.fresh_events.fresh_history import fresh_history
from penchant.serving.recommending.user_state import UserState, published_vector


class EventSource(Protocol):
    """``FreshEvents``, or these with a hypothetical event."""

    def of(self, user_id: str, last_feedback: str | None) -> list[Event]:
        """A user's events that a snapshot lacks, in the order of arrival, without duplicates."""


class FreshUserStates:
    """Safe to share between threads. ``on_fold_in`` is called for each computed vector."""

    def __init__(self, events: EventSource, on_fold_in: Callable[[], None] = lambda: None) -> None:
        self._events, self._on_fold_in = events, on_fold_in

    def of(self, opened: OpenRelease, user_id: str) -> UserState:
        """The published vector without fresh events on items of the encoder's catalogue, and where
        the release has no encoder; else the vector with them folded in."""
        fresh = tuple(self._since(opened, user_id))
        fold_in = opened.fold_in
        if fresh and fold_in:
            past = fold_in.history(user_id)
            later = _later(fresh, past, fold_in)
            if fold_in.encoder.knows(later):
                vector_D = fold_in.vector(past.then(later))
                self._on_fold_in()
                return UserState(user_id, vector_D, folded_in=True, events_since=fresh)
        vector = partial(published_vector, opened, user_id)
        return UserState(user_id, vector, events_since=fresh)

    def history(self, opened: OpenRelease, fold_in: FoldIn, user_id: str) -> History:
        """The history that the vector of ``of`` is made of."""
        fresh = self._since(opened, user_id)
        past = fold_in.history(user_id)
        return past.then(_later(fresh, past, fold_in))

    def _since(self, opened: OpenRelease, user_id: str) -> list[Event]:
        return self._events.of(user_id, opened.release.last_feedback)


def _later(fresh: Sequence[Event], past: History, fold_in: FoldIn) -> History:
    """Fresh events after a user's published history. A visitor with neither that nor an event of a
    type with strength is read by all events."""
    moment = fold_in.learned_from, fold_in.as_of
    later = fresh_history(fresh, fold_in.strengths, *moment)
    return later if len(past) or len(later) else fresh_history(fresh, {}, *moment)
