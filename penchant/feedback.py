"""What was shown and what shoppers did, kept from the moment it is acknowledged until it lands.

An append-only log of JSON lines for each table. ``append`` returns when the rows are on the disk;
``seal`` closes what was written so far into a file of its own, which the source ``feedback`` lands
as a batch. Any number of processes may append at once. A process that is killed while it writes
leaves at most a torn last line, which nobody was promised; the next to write or to seal removes it.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from penchant.settings import Settings
from penchant.storage import held_alone, sync

TABLES = ("impressions", "propensities", "events")
OPEN = "open.jsonl"
TAIL = 1 << 16  # bytes looked at in search of the last whole line


@dataclass(frozen=True)
class FeedbackLog:
    """The log under ``folder``: an open file for each table, and sealed ones.

    ``kept`` is told of each table's rows once they are durable.
    """

    folder: Path
    kept: Callable[[str, int], None] = lambda table, rows: None

    @classmethod
    def of(cls, settings: Settings) -> "FeedbackLog":
        return cls(settings.feedback)

    def append(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows, all or none of them; they are durable when this returns.

        Times are given as datetimes, naive UTC.
        """
        lines = [_line(row) for row in rows]
        if not lines:
            return
        place = self.folder / table
        with held_alone(place):
            path = place / OPEN
            new = not path.exists()
            with path.open("ab") as log:
                _cut_torn_line(path)
                log.write(b"".join(lines))
                log.flush()
                os.fsync(log.fileno())
            if new:
                sync(place)
        self.kept(table, len(lines))

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
