"""Landed rows beyond the bounds of their canonical table, which the build leaves out.

New files with such rows are quarantined whole. These landed before the bounds were set, so their
rows alone are copied to quarantine.
"""

from pathlib import Path
from typing import Any

import duckdb
import structlog
import yaml

from penchant.building.landed import Landing
from penchant.encryption.duckdb_connection import connect, written
from penchant.settings import Settings

ROWS = "rejected_rows.parquet"

log = structlog.get_logger()


def quarantine_rejected(settings: Settings, landing: Landing) -> int:
    """Copy the rows to quarantine, a file for each source and table; returns their number."""
    described = yaml.load(
        (settings.dbt_project / "canonical_tables.yml").read_text(), yaml.CSafeLoader
    )
    rejected = 0
    with connect(settings.home) as connection:
        for table, canonical in described["canonical_tables"].items():
            for source in landing.sources:
                folder = settings.landing / source / table
                if folder.is_dir() and (condition := _beyond(connection, folder, canonical)):
                    target = settings.quarantine / source / table / ROWS
                    rows = _copy(connection, folder, condition, target)
                    if rows:
                        log.warning("rows beyond bounds are left out", rows=rows, kept=str(target))
                    rejected += rows
    return rejected


def _beyond(
    connection: duckdb.DuckDBPyConnection, folder: Path, canonical: dict[str, Any]
) -> str | None:
    """SQL for a row beyond a bound; None where the landed table has no bounded column."""
    described = connection.execute(f"describe select * from {_landed(folder)}").fetchall()
    landed = {name for name, *_ in described}
    bounds = [
        f'"{name}" {sign} {column[bound]}'
        for name, column in canonical["columns"].items()
        for bound, sign in (("min", "<"), ("max", ">"))
        if column.get(bound) is not None and name in landed
    ]
    return " or ".join(bounds) or None


def _copy(connection: duckdb.DuckDBPyConnection, folder: Path, condition: str, target: Path) -> int:
    """Copy the landed rows of a condition; without any, remove an earlier copy."""
    rows = f"from {_landed(folder)} where {condition}"
    (count,) = connection.execute(f"select count(*) {rows}").fetchall()[0]
    if count:
        target.parent.mkdir(parents=True, exist_ok=True)
        connection.execute(
            f"copy (select * {rows}) to {written(target)} (format parquet, use_tmp_file true)"
        )
    else:
        target.unlink(missing_ok=True)
    return int(count)


def _landed(folder: Path) -> str:
    path = str(folder / "*" / "data.parquet").replace("'", "''")
    return f"read_parquet('{path}', union_by_name := true)"
