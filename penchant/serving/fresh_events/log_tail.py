"""Follows a table of the feedback log: each row that a server appended is read once, landed or not.

The open file stays open and is read from where it ended. Once it is sealed, a new file takes its
name; files that were sealed in between are then read too, also where they have landed already.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import structlog

from penchant.encryption import parquet as pq
from penchant.encryption.log_lines import plain_lines
from penchant.feedback.log import OPEN, FeedbackLog
from penchant.settings import Settings

TABLE = "events"
SOURCE = "feedback"

Row = dict[str, Any]
"""A row of the log; times are datetimes or text."""

log = structlog.get_logger()


@dataclass
class LogFile:
    """The file of a row. ``name``: of the sealed file; None while it is open."""

    name: str | None = None


class LogTail:
    """``after``: the newest sealed file to skip, "" to read all."""

    def __init__(self, settings: Settings, after: str, table: str = TABLE) -> None:
        self._log, self._table = FeedbackLog.of(settings), table
        self._place = self._log.folder / table
        self._landed = settings.landing / SOURCE / table
        self._after = after
        self._file: BinaryIO | None = None
        self._is = LogFile()
        self._changed_at: tuple[int, int] | None = None  # of both folders, at the last look
        self._batches: dict[Path, str] = {}  # landed batches and the names of their files

    def new(self) -> Iterator[tuple[Row, LogFile]]:
        """Rows added since the last call; some may repeat."""
        if self._file is not None:
            yield from self._lines()
        if self._is_current():
            return
        if self._file is not None:
            yield from self._lines()  # written between the last read and the seal
        sealed = self._move_on()
        if self._file is not None:
            yield from self._lines()
        for name in sealed:
            yield from self._whole(name)

    def _is_current(self) -> bool:
        """Whether the followed file is still the open one, or there is still none."""
        if self._file is None:
            return not (self._place / OPEN).exists() and self._changed_at == self._changes()
        try:
            return (self._place / OPEN).stat().st_ino == os.fstat(self._file.fileno()).st_ino
        except FileNotFoundError:
            return False

    def _move_on(self) -> list[str]:
        """Follow the file that is open now; return the names of the files sealed since the last
        time, without the one that was followed, which was sealed first."""
        self._changed_at = self._changes()
        followed = self._file
        while True:
            names = self._names()
            try:
                file = (self._place / OPEN).open("rb")
            except FileNotFoundError:
                file = None
            if names == self._names():  # else a file was sealed meanwhile, maybe this one
                break
            if file is not None:
                file.close()
        if followed is not None:
            followed.close()
            if names:  # none where the log was removed
                self._is.name = self._after = names.pop(0)
        self._file, self._is = file, LogFile()
        return names

    def _changes(self) -> tuple[int, int]:
        return _changed_at(self._place), _changed_at(self._landed)

    def _names(self) -> list[str]:
        """Files sealed after ``after``, oldest first, in the log or landed. The log is read first,
        since a file in it may land meanwhile."""
        names = {path.name for path in self._log.sealed(self._table)}
        for described in self._landed.glob("*/batch.json"):
            if described not in self._batches:
                name = json.loads(described.read_text())["original_name"]
                self._batches[described] = name
        names |= set(self._batches.values())
        return sorted(name for name in names if name > self._after)

    def _lines(self) -> Iterator[tuple[Row, LogFile]]:
        """Complete lines only: a partial one was not acknowledged and will be truncated."""
        assert self._file is not None
        if not _at_a_line(self._file):  # unacknowledged rows were truncated: read again
            self._file.seek(0)
        read = self._file.read()
        whole = read.rfind(b"\n") + 1
        self._file.seek(whole - len(read), os.SEEK_CUR)
        for row in _rows(read[:whole], self._place):
            yield row, self._is

    def _whole(self, name: str) -> Iterator[tuple[Row, LogFile]]:
        """Rows of a sealed file, in the log or landed."""
        try:
            rows = _rows((self._place / name).read_bytes(), self._place)
        except FileNotFoundError:  # it has landed meanwhile
            self._names()
            (batch,) = (path for path, was in self._batches.items() if was == name)
            rows = iter(pq.read_table(batch.with_name("data.parquet")).to_pylist())
        of = LogFile(name)
        for row in rows:
            yield row, of
        self._after = max(self._after, name)


def _at_a_line(file: BinaryIO) -> bool:
    at = file.tell()
    if at == 0:
        return True
    file.seek(at - 1)
    return file.read(1) == b"\n"


def _changed_at(folder: Path) -> int:
    """mtime of a folder, ns; -1 where there is none."""
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return -1


def _rows(lines: bytes, of: Path) -> Iterator[Row]:
    for line in plain_lines(lines, of):
        try:
            yield json.loads(line)
        except ValueError:  # ingestion quarantines the file with the reason
            log.error("event log: line is not JSON", line=line[:200])
