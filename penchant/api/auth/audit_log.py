"""The audit log: a line of JSON for each guarded request, a file a day.

A line has the time, token id, client address, route, required scope, whether access was allowed,
status, and number of users, items or events; no ids of them and no secrets. It is written before
the response is sent. Any number of processes append to a file; writes are not forced to the disk.
"""

import json
import os
from datetime import UTC, date, datetime, timedelta
from typing import Any

from penchant.settings import Settings

SUFFIX = ".jsonl"


class AuditLog:
    """The files under ``audit``. Those older than ``PENCHANT_AUDIT_DAYS`` are deleted."""

    def __init__(self, settings: Settings) -> None:
        self._folder, self._days = settings.audit, settings.audit_days
        self._day: date | None = None
        self._file = -1

    def write(self, line: dict[str, Any], now: datetime) -> None:
        """Append a line. ``now`` is in UTC."""
        if now.date() != self._day:
            self._open(now.date())
        text = json.dumps({"at": now.isoformat(), **line}, separators=(",", ":"))
        os.write(self._file, text.encode() + b"\n")

    def close(self) -> None:
        if self._day is not None:
            os.close(self._file)
            self._day = None

    def _open(self, day: date) -> None:
        self.close()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{day.isoformat()}{SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._day = day
        oldest = (day - timedelta(days=self._days)).isoformat()
        for file in self._folder.glob(f"*{SUFFIX}"):
            if file.stem <= oldest:
                file.unlink(missing_ok=True)


def now() -> datetime:
    return datetime.now(UTC)
