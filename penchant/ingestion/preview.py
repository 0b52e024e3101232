"""Read the files of a mapping and show what would land, without landing anything."""

import shutil
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from penchant.errors import UsageError
from penchant.ingestion.landing.arrival import Arrival, Request
from penchant.ingestion.landing.batches import (
    NOT_CAUSED_BY_FILES,
    arrival_sql,
    read_arrival,
    unreadable,
)
from penchant.ingestion.landing.checking import CheckResult, check
from penchant.ingestion.landing.engine import Engine
from penchant.ingestion.landing.reading import Unreadable
from penchant.ingestion.landing.rejecting import reject_rows
from penchant.ingestion.sources import files
from penchant.settings import Settings

SHOWN_ROWS = 10
EVENTS = "events"
NO_EVENTS = "no table events, from which everything is learned: map who did what with which item"


@dataclass(frozen=True)
class FilePreview:
    """A file as it would land: ``rows`` of them, the first as ``sample``, or why it would not.

    ``lands``: whether it lands, with ``reject_rows`` without the rows that ``reasons`` are about.
    """

    table: str
    file: str
    rows: int
    sample: list[dict[str, Any]]
    reasons: list[dict[str, Any]]
    lands: bool


@dataclass(frozen=True)
class MappingPreview:
    """All files of a mapping. ``missing``: what the home then lacks, and what that means."""

    files: list[FilePreview]
    missing: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {"files": [asdict(one) for one in self.files], "missing": list(self.missing)}

    def summary(self) -> str:
        """The first rows of each file, then what would be rejected; the last line counts."""
        lines = []
        for one in self.files:
            lines.append(f"{one.table}: {one.file}: {one.rows:,} rows")
            lines += [f"  {_shown(row)}" for row in one.sample]
            for reason in one.reasons:
                column = f"{reason['column']}: " if reason["column"] else ""
                rows = f", {reason['rows']:,} rows" if reason["rows"] else ""
                first = f", first row {reason['first_row']}: {reason['value']}"
                place = first if reason["first_row"] else ""
                lines.append(f"  rejected: {column}{reason['detail']}{rows}{place}")
        lines += [f"missing: {one}" for one in self.missing]
        rejected = sum(not one.lands for one in self.files)
        lines.append(f"{len(self.files) - rejected} files would land, {rejected} be quarantined")
        return "\n".join(lines)


def preview(
    settings: Settings, mapping: Path | None, folder: Path | None, now: datetime | None = None
) -> MappingPreview:
    """Read and check every file of a mapping. Raises UsageError for mistakes of the mapping."""
    source = folder or settings.source_path
    if source is not None and not source.is_dir():
        raise UsageError(f"{source} is not a folder", "point --path at the folder of the files")
    clock = now or datetime.now(UTC).replace(tzinfo=None)
    with tempfile.TemporaryDirectory(prefix="penchant-mapping-") as scratch:
        workspace = Path(scratch)
        request = Request(settings, source, mapping or settings.mapping, None, {}, workspace)
        engine = Engine(settings.threads, workspace)
        try:
            found = [
                _preview(engine, arrival, workspace, clock) for arrival in files.arrivals(request)
            ]
        finally:
            engine.close()
    return MappingPreview(found, () if _has_events(settings, found) else (NO_EVENTS,))


def _has_events(settings: Settings, found: list[FilePreview]) -> bool:
    """Whether events would land, or have landed under another mapping."""
    landed = (settings.landing / files.NAME / EVENTS).glob("*/batch.json")
    return any(one.table == EVENTS for one in found) or any(landed)


def _preview(engine: Engine, arrival: Arrival, workspace: Path, now: datetime) -> FilePreview:
    copy = workspace / arrival.path.name
    shutil.copyfile(arrival.path, copy)
    connection, sample = engine.connection(), []
    lands = False
    try:
        reading = read_arrival(connection, arrival, copy)
        result = check(connection, arrival.contract, reading, now, empty_allowed=True)
        most = arrival.mapping.reject_rows if arrival.mapping else 0.0
        lands = not result.reasons or bool(
            most
            and result.rows
            and reject_rows(connection, arrival.contract, reading, now, result, most)
        )
        if not reading.absent and result.rows:
            cursor = connection.execute(
                f"SELECT * FROM ({arrival_sql(arrival, reading)}) LIMIT {SHOWN_ROWS}"
            )
            names = [column[0] for column in cursor.description]
            sample = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except NOT_CAUSED_BY_FILES:
        raise
    except (Unreadable, duckdb.Error) as error:
        result = CheckResult(0, (unreadable(error, copy, arrival),))
    finally:
        copy.unlink()
    reasons = [reason.as_dict() for reason in result.reasons]
    return FilePreview(arrival.contract.table, arrival.name, result.rows, sample, reasons, lands)


def _shown(row: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in row.items() if value is not None)
