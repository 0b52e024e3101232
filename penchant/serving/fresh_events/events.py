"""Fresh events by user, in memory; the event log is durable."""

import threading
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

from penchant.releases.release import on_disk
from penchant.serving.fresh_events.log_tail import LogFile, LogTail, Row
from penchant.settings import Settings
from penchant.subjects import Subjects

MAX_PER_USER = 1000  # newest events that are kept


@dataclass(frozen=True)
class Event:
    """An event that the API acknowledged. Times are naive UTC. ``file``: of the log."""

    event_id: str
    user_id: str
    session_id: str
    event_type: str
    item_id: str | None
    quantity: int | None
    event_at: datetime
    received_at: datetime
    file: LogFile

    @classmethod
    def of(cls, row: Row, file: LogFile) -> "Event":
        return cls(
            row["event_id"],
            row["user_id"],
            row["session_id"],
            row["event_type"],
            row["item_id"],
            row["quantity"],
            _time(row["event_at"]),
            _time(row["received_at"]),
            file,
        )

    def is_in(self, last_feedback: str | None) -> bool:
        """Whether a snapshot has the event. ``last_feedback``: the snapshot's newest log file."""
        name = self.file.name
        return name is not None and last_feedback is not None and name <= last_feedback


class FreshEvents:
    """The events that a release on disk may lack.

    Safe to share between threads. An event that one server acknowledged is seen by the others at
    their next ``of``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._subjects = settings, Subjects(settings)
        self._lock = threading.Lock()
        self._by_user: dict[str, list[Event]] = defaultdict(list)
        self._seen: set[str] = set()
        self._known = _newest_in_all(settings)
        self._live: str | None = None
        self._tail = LogTail(settings, self._known)
        self._catch_up()

    def of(self, user_id: str, last_feedback: str | None) -> list[Event]:
        """A user's events that a snapshot lacks, in the order of arrival, without duplicates.

        ``last_feedback``: the newest file of events in the snapshot (``Snapshot.last_feedback``).
        None of a user who is not to be profiled.
        """
        if self._subjects.excluded(user_id):
            return []
        with self._lock:
            self._catch_up()
            if (
                last_feedback != self._live
            ):  # another release is live: older ones may have been removed
                self._live = last_feedback
                self._forget()
            events = sorted(self._by_user.get(user_id, ()), key=lambda event: event.received_at)
        return [event for event in events if not event.is_in(last_feedback)]

    def _catch_up(self) -> None:
        for row, file in self._tail.new():
            event = Event.of(row, file)
            if event.event_id not in self._seen:  # the first of duplicates counts, as in the marts
                self._seen.add(event.event_id)
                own = self._by_user[event.user_id]
                own.append(event)
                del own[:-MAX_PER_USER]

    def _forget(self) -> None:
        """Remove the events that every release on disk has."""
        oldest = _newest_in_all(self._settings)
        if oldest <= self._known:
            return
        self._known = oldest
        kept: dict[str, list[Event]] = defaultdict(list)
        for user_id, events in self._by_user.items():
            if left := [event for event in events if not event.is_in(oldest)]:
                kept[user_id] = left
        self._by_user = kept
        self._seen = {event.event_id for events in kept.values() for event in events}


def _newest_in_all(settings: Settings) -> str:
    """The newest event log file that every release on disk has; "" where one has none."""
    known = [each.last_feedback or "" for each in on_disk(settings)]
    return min(known, default="")


def _time(value: datetime | str) -> datetime:
    """Naive UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
