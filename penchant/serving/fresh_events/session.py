"""Events of a request: folded in like posted ones, and not stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from penchant.serving.fresh_events.events import Event
from penchant.serving.fresh_events.log_tail import LogFile
from penchant.serving.fresh_events.user_states import EventSource

REQUEST = "request"
"""The session of events that a request brings without one. Events of one session and item count
once, so that an event that was posted too, in its session, counts no more."""


@dataclass(frozen=True)
class WithSession:
    """Posted events, then those of the request."""

    events: EventSource
    session: Sequence[Event]

    def of(self, user_id: str, last_feedback: str | None) -> list[Event]:
        return [*self.events.of(user_id, last_feedback), *self.session]


def session_event(
    user_id: str, item_id: str, event_type: str, now: datetime, session_id: str = REQUEST
) -> Event:
    """An event that happens now. ``now``: naive UTC."""
    return Event(
        event_id=REQUEST,
        user_id=user_id,
        session_id=session_id,
        event_type=event_type,
        item_id=item_id,
        quantity=1,
        event_at=now,
        received_at=now,
        file=LogFile(None),
    )
