"""Items that count as seen because an answer had them: write-back, for requests that opt in.

A request may say after which delay the items of its answer count as seen by the user. Later
requests that opt in leave them out for a week. It is no event of the user and changes no vector.
"""

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta

from penchant.feedback.log import FeedbackLog
from penchant.serving.fresh_events.log_tail import LogTail
from penchant.settings import Settings

TABLE = "seen"
KEPT = timedelta(days=7)
MAX_PER_USER = 200  # the latest items
MAX_USERS = 100_000  # the latest


class SeenItems:
    """Follows the log of write-backs. Safe to share between threads.

    What one server wrote is known to the others at their next ``of``.
    """

    def __init__(self, settings: Settings, log: FeedbackLog, now: datetime) -> None:
        """``now``: naive UTC; write-backs of more than a week ago are not read."""
        self._log, self._lock = log, threading.Lock()
        self._tail = LogTail(settings, f"{TABLE}-{now - KEPT:%Y%m%dT%H%M%S%f}.jsonl", TABLE)
        self._by_user: dict[str, dict[str, datetime]] = {}

    def write_back(self, shown: Iterable[tuple[str, str]], now: datetime, delay: timedelta) -> None:
        """Count users' items as seen after a delay; durable when this returns, unless
        the disk is full. ``now``: naive UTC."""
        rows = [
            {"user_id": user_id, "item_id": item_id, "seen_at": now + delay, "received_at": now}
            for user_id, item_id in shown
        ]
        self._log.append_if_possible({TABLE: rows})

    def of(self, user_id: str, now: datetime) -> list[str]:
        """The items that count as seen by a user now, the latest first."""
        with self._lock:
            self._catch_up()
            seen = sorted(self._by_user.get(user_id, {}).items(), key=lambda each: each[1])
        return [item_id for item_id, at in reversed(seen) if now - KEPT <= at <= now]

    def _catch_up(self) -> None:
        for row, _ in self._tail.new():
            seen = self._by_user.pop(row["user_id"], {})  # to the end: the latest are kept
            at = _time(row["seen_at"])
            known = seen.pop(row["item_id"], at)
            seen[row["item_id"]] = at if known < at - KEPT else min(known, at)
            while len(seen) > MAX_PER_USER:
                del seen[next(iter(seen))]
            self._by_user[row["user_id"]] = seen
        while len(self._by_user) > MAX_USERS:
            del self._by_user[next(iter(self._by_user))]


def _time(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
