"""The audit log: a line of JSON for each guarded request, a file a day.

A line has the time, token id, client address, route, required scope, whether access was allowed,
status, and number of users, items or events; no ids of them and no secrets. It is written before
the response is sent. Any number of processes append to a file; writes are not forced to the disk.

While the disk is full, lines are kept in memory, up to a limit, and written once there is space.
"""

import errno
import json
import os
from collections import deque
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from typing import Any

from penchant.encryption.log_lines import encrypted_lines
from penchant.settings import Settings

SUFFIX = ".jsonl"
MAX_KEPT = 10_000  # lines in memory while the disk is full


class AuditLog:
    """The files under ``audit``. Those older than ``PENCHANT_AUDIT_DAYS`` are deleted.

    ``on_lost``: called with the number of lines that could neither be written nor kept.
    """

    def __init__(
        self, settings: Settings, on_lost: Callable[[int], None] = lambda lines: None
    ) -> None:
        self._folder, self._days, self._on_lost = settings.audit, settings.audit_days, on_lost
        self._day: date | None = None
        self._file = -1
        self._lock = Lock()
        self._kept: deque[bytes] = deque()
        self._torn = False  # the last write ended within a line

    def write(self, line: dict[str, Any], now: datetime) -> None:
        """Append a line. ``now`` is in UTC. Never fails: what can't be written is kept."""
        text = json.dumps({"at": now.isoformat(), **line}, separators=(",", ":"))
        with self._lock:
            self._kept += encrypted_lines([text.encode() + b"\n"], self._folder)
            try:
                if now.date() != self._day:
                    self._open(now.date())
                while self._kept:
                    self._append(self._kept[0])
                    self._kept.popleft()
            except OSError:
                if len(self._kept) > MAX_KEPT:
                    self._kept.popleft()
                    self._on_lost(1)

    @property
    def kept(self) -> int:
        """Number of lines that are not written yet."""
        return len(self._kept)

    def _append(self, line: bytes) -> None:
        """Raises OSError where only a part fits; the line is then written again, on its own."""
        whole = b"\n" + line if self._torn else line
        written = os.write(self._file, whole)
        self._torn = 0 < written < len(whole)
        if written < len(whole):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

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
        files = sorted(self._folder.glob(f"*{SUFFIX}"))
        if len(files) > 1 and files[-2].stem > oldest:  # else the clock may be wrong today
            for file in files:
                if file.stem <= oldest:
                    file.unlink(missing_ok=True)


def now() -> datetime:
    return datetime.now(UTC)
