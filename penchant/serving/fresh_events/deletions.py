"""Deleted events: gone from fresh events at once, and from the marts with the next build."""

import threading

from penchant.serving.fresh_events.events import Event
from penchant.serving.fresh_events.log_tail import LogTail
from penchant.serving.fresh_events.user_states import EventSource
from penchant.settings import Settings

TABLE = "deletions"

Identity = tuple[str, str]
"""A user and the id of an event in the log."""


class Deletions:
    """Follows the log of deletions. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._lock = threading.Lock()
        self._tail = LogTail(settings, "", TABLE)
        self._deleted: set[Identity] = set()

    def all(self) -> frozenset[Identity] | set[Identity]:
        """Every deleted event, up to the last acknowledged deletion."""
        with self._lock:
            self._deleted |= {(row["user_id"], row["event_id"]) for row, _ in self._tail.new()}
            return self._deleted


class WithoutDeleted:
    """Fresh events without those that were deleted."""

    def __init__(self, events: EventSource, deletions: Deletions) -> None:
        self._events, self._deletions = events, deletions

    def of(self, user_id: str, last_feedback: str | None) -> list[Event]:
        found = self._events.of(user_id, last_feedback)
        if not found:
            return found
        deleted = self._deletions.all()
        return [event for event in found if (event.user_id, event.event_id) not in deleted]
