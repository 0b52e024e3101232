"""What was shown and what users did, kept from the moment it is acknowledged until it lands.

An append-only log of JSON lines for each table. ``append`` returns when the rows are on the disk,
flushed with those of other threads that came meanwhile; ``seal`` closes what was written so far
into a file of its own, which the source ``feedback`` lands as a batch. Any number of processes may
append at once. A process that is killed while it writes leaves at most a torn last line, which
nobody was promised; the next to write or to seal removes it.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from penchant.feedback.group_commit import GroupCommit
from penchant.settings import Settings
from penchant.storage import held_alone, sync

TABLES = ("impressions", "propensities", "events")
OPEN = "open.jsonl"
TAIL = 1 << 16  # bytes looked at in search of the last whole line


class FeedbackLog:
    """The log under ``folder``: an open file for each table, and sealed ones. Safe to share between
    threads, whose rows then reach the disk together.

    ``kept`` is told of each table's rows once they are durable.
    """

    def __init__(
        self, folder: Path, kept: Callable[[str, int], None] = lambda table, rows: None
    ) -> None:
        self.folder, self._kept = folder, kept
        self._commits = GroupCommit(self._write)
        self._syncing = ThreadPoolExecutor(len(TABLES), "penchant-feedback")

    @classmethod
    def of(cls, settings: Settings) -> "FeedbackLog":
        return cls(settings.feedback)

    def append(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows, all or none of them; they are durable when this returns.

        Times are given as datetimes, naive UTC.
        """
        self.append_together({table: rows})

    def append_together(self, tables: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
        """``append`` to several tables, in the time of one."""
        lines = {table: [_line(row) for row in rows] for table, rows in tables.items()}
        if not any(lines.values()):
            return
        self._commits.commit({table: b"".join(some) for table, some in lines.items()})
        for table, some in lines.items():
            self._kept(table, len(some))

    def _write(self, group: Sequence[Mapping[str, bytes]]) -> None:
        """Write what came together: each table's file is written and flushed once."""
        lines = {table: b"".join(each.get(table, b"") for each in group) for table in TABLES}
        with ExitStack() as held:
            opened = [
                (held.enter_context(_OpenFile.held(self.folder / table)), lines[table])
                for table in TABLES  # every writer takes them in this order
                if lines[table]
            ]
            try:
                for file, added in opened:
                    file.write(added)
                list(self._syncing.map(_OpenFile.sync, [file for file, _ in opened]))
            except OSError:
                for file, _ in opened:
                    file.undo()
                raise

    def seal(self) -> None:
        """Close every table's open file that has rows; later rows go to new ones."""
        for table in TABLES:
            place = self.folder / table
            if not (place / OPEN).exists():
                continue
            with held_alone(place):
                path = place / OPEN
                if not path.exists():
                    continue  # another process sealed it while we waited
                _cut_torn_line(path)
                if path.stat().st_size:
                    path.rename(place / f"{table}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.jsonl")
                    sync(place)

    def sealed(self, table: str) -> list[Path]:
        """Sealed files, oldest first."""
        return sorted((self.folder / table).glob(f"{table}-*.jsonl"))


class _OpenFile:
    """A table's open file, while no other process writes or seals it."""

    def __init__(self, place: Path) -> None:
        path = place / OPEN
        self._new = not path.exists()
        self._file = path.open("ab", buffering=0)
        _cut_torn_line(path)
        self._place, self._end = place, path.stat().st_size

    @classmethod
    @contextmanager
    def held(cls, place: Path) -> Iterator["_OpenFile"]:
        with held_alone(place):
            opened = cls(place)
            with opened._file:
                yield opened

    def write(self, lines: bytes) -> None:
        written = 0
        while written < len(lines):
            written += self._file.write(lines[written:])

    def sync(self) -> None:
        os.fsync(self._file.fileno())
        if self._new:  # a file is found after a power cut only if its folders were flushed too
            for folder in (self._place, *self._place.parents[:2]):
                sync(folder)

    def undo(self) -> None:
        """Leave nothing of rows that aren't acknowledged, such as where the disk is full."""
        self._file.truncate(self._end)


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, default=_text, separators=(",", ":")).encode() + b"\n"


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    raise TypeError(f"{type(value).__name__} has no place in a log")


def _cut_torn_line(path: Path) -> None:
    """Remove what follows the last line end."""
    with path.open("r+b") as log:
        end = log.seek(0, os.SEEK_END)
        kept = end
        while kept:
            start = max(0, kept - TAIL)
            log.seek(start)
            line_end = log.read(kept - start).rfind(b"\n")
            if line_end >= 0:
                kept = start + line_end + 1
                break
            kept = start
        if kept < end:
            log.truncate(kept)
            os.fsync(log.fileno())
