"""Fresh events by user, in memory, of limited number; the event log is durable."""

import sys
import threading
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from penchant.feedback.identity import content_of, identity_of
from penchant.releases.release import on_disk
from penchant.serving.fresh_events.log_tail import LogFile, LogTail, Row
from penchant.settings import Settings
from penchant.subjects import Subjects

MAX_PER_USER = 1000  # newest events that are kept
MAX_EVENTS = 200_000  # of all users; about 80 MB
MAX_IDENTITIES = 200_000  # of the last events, to recognise one that is sent again


@dataclass(frozen=True, slots=True)
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
            sys.intern(row["event_type"]),
            row["item_id"] and sys.intern(row["item_id"]),
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
        self._arrived: deque[str] = deque()  # users, one for each event that is kept
        self._contents: OrderedDict[int, int] = OrderedDict()
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

    def conflicts(self, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """The logged ids of rows that say something else than an earlier event, or an earlier one
        of them, of the same identity."""
        found, own = [], dict[int, int]()
        with self._lock:
            self._catch_up()
            for row in rows:
                identity, content = identity_of(row), content_of(row)
                earlier = self._contents.get(identity) or own.setdefault(identity, content)
                if earlier != content:
                    found.append(row["event_id"])
        return found

    def _catch_up(self) -> None:
        for row, file in self._tail.new():
            if self._is_new(row):
                self._keep(Event.of(row, file))

    def _is_new(self, row: Row) -> bool:
        """Whether it is the first of its identity: that one counts, as in the marts."""
        identity = identity_of(row)
        if identity in self._contents:
            return False
        self._contents[identity] = content_of(row)
        while len(self._contents) > MAX_IDENTITIES:
            self._contents.popitem(last=False)
        return True

    def _keep(self, event: Event) -> None:
        """Add an event; beyond the limits the oldest is left out, of the user and of all."""
        own = self._by_user[event.user_id]
        own.append(event)
        if len(own) > MAX_PER_USER:
            del own[0]
        else:
            self._arrived.append(event.user_id)
        if len(self._arrived) > MAX_EVENTS:
            user_id = self._arrived.popleft()
            oldest = self._by_user[user_id]
            del oldest[0]
            if not oldest:
                del self._by_user[user_id]

    def _forget(self) -> None:
        """Remove the events that every release on disk has."""
        oldest = _newest_in_all(self._settings)
        if oldest <= self._known:
            return
        self._known = oldest
        kept: dict[str, list[Event]] = defaultdict(list)
        for user_id, events in self._by_user.items():
            if later := [event for event in events if not event.is_in(oldest)]:
                kept[user_id] = later
        self._by_user = kept
        left = [event for events in kept.values() for event in events]
        self._arrived = deque(
            event.user_id for event in sorted(left, key=lambda event: event.received_at)
        )


def _newest_in_all(settings: Settings) -> str:
    """The newest event log file that every release on disk has; "" where one has none."""
    known = [each.last_feedback or "" for each in on_disk(settings)]
    return min(known, default="")


def _time(value: datetime | str) -> datetime:
    """Naive UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
