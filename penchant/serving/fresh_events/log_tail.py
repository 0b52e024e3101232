"""The log of events, followed: what any server appended, landed or not, is read once.

The open file is kept open and read on from where it ended. Once it is sealed another takes its
name; then whatever was sealed meanwhile is read too, and what has landed and left the log.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.parquet as pq
import structlog

from penchant.feedback.log import OPEN, FeedbackLog
from penchant.settings import Settings

TABLE = "events"
SOURCE = "feedback"

Row = dict[str, Any]
"""An event as the log has it; times are datetimes or text."""

log = structlog.get_logger()


@dataclass
class LogFile:
    """Where a row is from. ``name``: of the sealed file; None while it is still written to."""

    name: str | None = None


class LogTail:
    """``after``: the name of the newest sealed file that need not be read, "" to read all."""

    def __init__(self, settings: Settings, after: str) -> None:
        self._log = FeedbackLog.of(settings)
        self._place = self._log.folder / TABLE
        self._landed = settings.landing / SOURCE / TABLE
        self._after = after
        self._file: BinaryIO | None = None
        self._is = LogFile()
        self._changed_at: int | None = None  # the folder, when it was last looked into
        self._batches: dict[Path, str] = {}  # that have landed, and the files they were

    def new(self) -> Iterator[tuple[Row, LogFile]]:
        """What was added since the last call; some of it may have come before."""
        if self._file is not None:
            yield from self._lines()
        if self._is_current():
            return
        if self._file is not None:
            yield from self._lines()  # what was written between the last look and the sealing
        sealed = self._move_on()
        if self._file is not None:
            yield from self._lines()
        for name in sealed:
            yield from self._whole(name)

    def _is_current(self) -> bool:
        """Whether the file that is followed is still the one that is written to, or there is none
        still."""
        if self._file is None:
            return self._changed_at == _changed_at(self._place) and not self._names()
        try:
            return (self._place / OPEN).stat().st_ino == os.fstat(self._file.fileno()).st_ino
        except FileNotFoundError:
            return False

    def _move_on(self) -> list[str]:
        """Follow the file that is open now; gives the names of those sealed since the last time,
        but for the one that was followed, which was the first to be."""
        self._changed_at = _changed_at(self._place)
        followed = self._file
        while True:
            names = self._names()
            try:
                file = (self._place / OPEN).open("rb")
            except FileNotFoundError:
                file = None
            if names == self._names():  # else one was sealed meanwhile: perhaps the one just opened
                break
            if file is not None:
                file.close()
        if followed is not None:
            followed.close()
            if names:  # none where somebody took the log away
                self._is.name = self._after = names.pop(0)
        self._file, self._is = file, LogFile()
        return names

    def _names(self) -> list[str]:
        """Of the files that were sealed after ``after``, oldest first: on the log, or landed. The
        log is looked at first, since what is there may land meanwhile."""
        names = {path.name for path in self._log.sealed(TABLE)}
        for described in self._landed.glob("*/batch.json"):
            if described not in self._batches:
                name = json.loads(described.read_text())["original_name"]
                self._batches[described] = name
        names |= set(self._batches.values())
        return sorted(name for name in names if name > self._after)

    def _lines(self) -> Iterator[tuple[Row, LogFile]]:
        """Whole lines alone: a torn one was acknowledged to nobody, and will be cut off."""
        assert self._file is not None
        if not _at_a_line(self._file):  # what nobody was promised was taken back: read again
            self._file.seek(0)
        read = self._file.read()
        whole = read.rfind(b"\n") + 1
        self._file.seek(whole - len(read), os.SEEK_CUR)
        for row in _rows(read[:whole]):
            yield row, self._is

    def _whole(self, name: str) -> Iterator[tuple[Row, LogFile]]:
        """Of a sealed file, wherever it lies."""
        try:
            rows = _rows((self._place / name).read_bytes())
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
    """When a name came into a folder or left it, ns; -1 where there is no folder."""
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return -1


def _rows(lines: bytes) -> Iterator[Row]:
    for line in lines.splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # ingesting quarantines the file, and says why
            log.error("the log of events has a line that is not JSON", line=line[:200])
