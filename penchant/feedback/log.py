"""The feedback log: impressions and events, durable from acknowledgement until they land.

Each table has an append-only log of JSON lines. ``append`` returns when the rows are on disk,
flushed together with those of other threads. ``seal`` closes the open file, which the source
``feedback`` then lands as a batch. Any number of processes may append. A process that is killed
while writing leaves at most a partial last line, which was not acknowledged; the next write or seal
truncates it.
"""

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import NoneType
from typing import Any

from pydantic_core import to_json

from penchant.encryption.log_lines import encrypted_lines, is_newest, plain_lines
from penchant.errors import is_disk_full
from penchant.feedback.group_commit import GroupCommit
from penchant.settings import Settings
from penchant.storage import held_alone, sync, write_atomic, write_atomic_bytes
from penchant.subjects import Subjects

TABLES = ("items", "users", "impressions", "propensities", "events", "seen", "history", "deletions")
"""In the order in which they are sealed: the items that an events file may name land with it."""
OPEN = "open.jsonl"
LAST = "last"  # the name of the last sealed file
NAMED = "%Y%m%dT%H%M%S%f"
PLAIN = frozenset({str, int, float, bool, list, dict, NoneType})  # types that JSON has
Tables = dict[str, list[Mapping[str, Any]]]
TAIL = 1 << 16  # bytes per read in search of the last line end


class FeedbackLog:
    """The log under ``folder``: an open file for each table, and sealed ones.

    Safe to share between threads. ``on_durable`` is called with each table and its number of rows
    once they are durable; ``on_lost`` where ``append_if_possible`` could not write them. Rows of
    users whom ``erased`` returns are not stored. ``is_full``: whether the last write failed because
    the disk is full.
    """

    def __init__(
        self,
        folder: Path,
        on_durable: Callable[[str, int], None] = lambda table, rows: None,
        erased: Callable[[Iterable[str]], set[str]] = lambda user_ids: set(),
        on_lost: Callable[[str, int], None] = lambda table, rows: None,
    ) -> None:
        self.folder, self._on_durable, self._erased = folder, on_durable, erased
        self._on_lost, self.is_full = on_lost, False
        self._commits = GroupCommit(self._write)
        self._syncing = ThreadPoolExecutor(len(TABLES), "penchant-feedback")

    @classmethod
    def of(cls, settings: Settings) -> "FeedbackLog":
        return cls(settings.feedback, erased=Subjects(settings).erased)

    def append(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add all rows or none; they are durable when this returns. Times are naive UTC."""
        self.append_together({table: rows})

    def append_if_possible(self, tables: Mapping[str, Iterable[Mapping[str, Any]]]) -> bool:
        """``append_together``, or False where the disk is full: for rows that a read leaves, so
        that reads go on. They are counted as lost."""
        rows = {table: list(some) for table, some in tables.items()}
        try:
            self.append_together(rows)
        except OSError as error:
            if not is_disk_full(error):
                raise
            for table, some in rows.items():
                self._on_lost(table, len(some))
            return False
        return True

    def append_together(self, tables: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
        """``append`` to several tables with one flush."""
        kept = self._without_erased({table: list(rows) for table, rows in tables.items()})
        lines = {
            table: encrypted_lines([_line(row) for row in rows], self.folder)
            for table, rows in kept.items()
        }
        if not any(lines.values()):
            return
        self._commits.commit({table: b"".join(some) for table, some in lines.items()})
        for table, some in lines.items():
            self._on_durable(table, len(some))

    def _without_erased(self, tables: Tables) -> Tables:
        """The rows without those of erased users, and without the propensities of their slates."""
        every = [row for rows in tables.values() for row in rows]
        erased = self._erased({row["user_id"] for row in every if "user_id" in row})
        if not erased:
            return tables
        theirs = [row for row in every if row.get("user_id") in erased]
        slates = {row["slate_id"] for row in theirs if "slate_id" in row}
        return {
            table: [
                row
                for row in rows
                if row.get("user_id") not in erased and row.get("slate_id") not in slates
            ]
            for table, rows in tables.items()
        }

    def _write(self, group: Sequence[Mapping[str, bytes]]) -> None:
        """Write a group: each table's file is written and flushed once."""
        try:
            self._write_files(group)
        except OSError as error:
            self.is_full = is_disk_full(error)
            raise
        self.is_full = False

    def _write_files(self, group: Sequence[Mapping[str, bytes]]) -> None:
        lines = {table: b"".join(each.get(table, b"") for each in group) for table in TABLES}
        with ExitStack() as held:
            opened = [
                (held.enter_context(_OpenFile.held(self.folder / table)), lines[table])
                for table in TABLES  # every writer locks in this order
                if lines[table]
            ]
            try:
                for file, added in opened:
                    file.write(added)
                *others, last = [file for file, _ in opened]
                flushed = [self._syncing.submit(each.sync) for each in others]
                try:
                    last.sync()
                finally:
                    wait(flushed)
                for each in flushed:
                    each.result()
            except OSError:
                for file, _ in opened:
                    file.undo()
                raise

    def seal(self) -> None:
        """Close the open files that have rows; later rows go to new files."""
        for table in TABLES:
            place = self.folder / table
            if not (place / OPEN).exists():
                continue
            with held_alone(place):
                path = place / OPEN
                if not path.exists():
                    continue  # another process sealed it meanwhile
                if _length_without_torn_line(path):
                    name = _next_name(place, table, datetime.now(UTC).replace(tzinfo=None))
                    write_atomic(place / LAST, name)
                    path.rename(place / f"{name}.jsonl")
                    sync(place)

    def remove(self, table: str, unwanted: Callable[[dict[str, Any]], bool]) -> int:
        """Remove rows from a table's files, the open one too; return their number.

        Each file is replaced whole, so a kill leaves the old rows or the new.
        """
        place = self.folder / table
        if not place.is_dir():
            return 0
        removed = 0
        with held_alone(place):
            for path in [*self.sealed(table), *place.glob(OPEN)]:
                _length_without_torn_line(path)
                lines = plain_lines(path.read_bytes(), path)
                kept = [line for line in lines if not unwanted(json.loads(line))]
                if len(kept) < len(lines):
                    write_atomic_bytes(path, b"".join(encrypted_lines(kept, path)))
                    removed += len(lines) - len(kept)
        return removed

    def encrypt(self) -> int:
        """Encrypt the lines of all files again with the newest data key; return the number of
        files. Call it in an encrypted home."""
        replaced = 0
        for table in TABLES:
            place = self.folder / table
            if not place.is_dir():
                continue
            with held_alone(place):
                for path in [*self.sealed(table), *place.glob(OPEN)]:
                    _length_without_torn_line(path)
                    content = path.read_bytes()
                    if not is_newest(content, path):
                        lines = plain_lines(content, path)
                        write_atomic_bytes(path, b"".join(encrypted_lines(lines, path)))
                        replaced += 1
        return replaced

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """The rows of a table that have not landed, oldest file first."""
        for path in [*self.sealed(table), *(self.folder / table).glob(OPEN)]:
            for line in plain_lines(path.read_bytes(), path):
                if line.endswith(b"\n"):  # else it was not acknowledged
                    yield json.loads(line)

    def sealed(self, table: str) -> list[Path]:
        """Sealed files, oldest first."""
        return sorted((self.folder / table).glob(f"{table}-*.jsonl"))


def _next_name(place: Path, table: str, now: datetime) -> str:
    """The name of the file to be sealed: after all earlier ones, also if the clock was set back."""
    named = [path.stem for path in place.glob(f"{table}-*.jsonl")]
    if (place / LAST).exists():
        named.append((place / LAST).read_text())
    last = max((datetime.strptime(each, f"{table}-{NAMED}") for each in named), default=now)
    at = now if not named or now > last else last + timedelta(microseconds=1)
    return f"{table}-{at:{NAMED}}"


class _OpenFile:
    """A table's open file, locked against other processes."""

    def __init__(self, place: Path) -> None:
        path = place / OPEN
        self._new = not path.exists()
        self._file = path.open("a+b", buffering=0)
        self._place, self._end = place, _cut_torn_line(self._file)

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
        if self._new:  # a new file survives a power cut only if its folders are flushed too
            for folder in (self._place, *self._place.parents[:2]):
                sync(folder)

    def undo(self) -> None:
        """Remove unacknowledged rows, for example when the disk is full."""
        self._file.truncate(self._end)


def _line(row: Mapping[str, Any]) -> bytes:
    """Raises TypeError for a value that is not JSON."""
    texts = {name: _text(value) for name, value in row.items() if type(value) not in PLAIN}
    return to_json({**row, **texts} if texts else row) + b"\n"


def _text(value: object) -> object:
    if isinstance(value, (str, int, float, list, dict)):
        return value
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    raise TypeError(f"{type(value).__name__} can't be logged")


def _length_without_torn_line(path: Path) -> int:
    with path.open("a+b", buffering=0) as log:
        return _cut_torn_line(log)


def _cut_torn_line(log: io.FileIO) -> int:
    """Truncate after the last line end; return the length."""
    end = kept = log.seek(0, os.SEEK_END)
    size = 1  # bytes per read: the last one is a line end, unless a process was killed
    while kept:
        start = max(0, kept - size)
        line_end = os.pread(log.fileno(), kept - start, start).rfind(b"\n")
        if line_end >= 0:
            kept = start + line_end + 1
            break
        kept, size = start, TAIL
    if kept < end:
        log.truncate(kept)
        os.fsync(log.fileno())
    return kept
