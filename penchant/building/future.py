"""Features that know the future: rows as of an earlier time that later events change.

The feature marts are built again from the events before an earlier feature time, and their rows as
of that time must be those of the whole build. With half of the history this costs about half a
build, so it is done after an edit of the dbt project, as unit tests are.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import structlog
import yaml

from penchant.building.dbt import run_dbt
from penchant.building.landed import Landing
from penchant.encryption.duckdb_connection import connect
from penchant.errors import DataError
from penchant.manifest import Mart, read_marts
from penchant.settings import Settings

FEATURE_MARTS = "path:models/marts/features"
TIME = "feature_at"

log = structlog.get_logger()


@dataclass(frozen=True)
class Difference:
    """A column whose rows as of ``at`` depend on later events; ``example`` is one of them."""

    mart: str
    column: str
    rows: int
    example: str


def check_no_future(settings: Settings, landing: Landing, manifest_json: Path, marts: Path) -> None:
    """Raise DataError that names the columns of ``marts`` which depend on later events."""
    features = [
        mart
        for mart in read_marts(manifest_json)
        if mart.folder == "features" and TIME in [column.name for column in mart.columns]
    ]
    at = _earlier_time(settings, landing.as_of, features, marts)
    if at is None:
        log.info("features are not compared with an earlier time", reason="too few days of data")
        return
    with _scratch(settings) as scratch:
        cut = scratch / "marts"
        cut.mkdir(parents=True)
        database = scratch / "penchant.duckdb"
        earlier = replace(landing, as_of=at)
        run_dbt(settings, earlier, cut, "run", "--select", f"+{FEATURE_MARTS}", database=database)
        with connect(settings.home, config={"threads": settings.threads}) as connection:
            found = [
                difference
                for mart in features
                for difference in differences(connection, mart, marts, cut, at, _grid(settings)[1])
            ]
    if found:
        named = "; ".join(
            f"{one.mart}.{one.column}: {one.rows:,} rows, such as {one.example}" for one in found
        )
        raise DataError(
            f"features as of {at:%Y-%m-%d} change with events after it: {named}",
            "read only events before feature_at, with the macros in macros/windows.sql",
        )


def differences(
    connection: duckdb.DuckDBPyConnection,
    mart: Mart,
    whole: Path,
    cut: Path,
    at: datetime,
    interval: timedelta,
) -> list[Difference]:
    """The columns in which two folders' rows of the last ``interval`` before ``at`` differ."""
    key = ", ".join(f'"{name}"' for name in mart.primary_key)
    for name, folder in (("with_later", whole), ("without", cut)):
        path = str(folder / f"{mart.name}.parquet").replace("'", "''")
        connection.execute(
            f"create or replace temp table {name} as from read_parquet('{path}') "
            f"where {TIME} <= ? and {TIME} > ?",
            [at, at - interval],
        )
    found = []
    for here, there, word in (
        ("with_later", "without", "more"),
        ("without", "with_later", "fewer"),
    ):
        alone = f"from {here} anti join {there} using ({key})"
        found += _found(connection, mart, f"(rows {word} with later events)", key, alone, "''")
    for column in mart.columns:
        if column.name not in mart.primary_key and not column.meta.get("wall_clock"):
            with_later, without = (f'{name}."{column.name}"' for name in ("with_later", "without"))
            both = (
                f"from with_later join without using ({key}) "
                f"where {with_later} is distinct from {without}"
            )
            shown = f"format(': {{}} with later events, {{}} without', {with_later}, {without})"
            found += _found(connection, mart, column.name, key, both, shown)
    return found


def _found(
    connection: duckdb.DuckDBPyConnection, mart: Mart, what: str, key: str, rows: str, shown: str
) -> list[Difference]:
    """The difference that some rows make, if there are any; ``shown`` is SQL about one of them."""
    example = f"concat_ws(' ', {key}) || coalesce({shown}, ': null on one side')"
    (count,) = connection.execute(f"select count(*) {rows}").fetchall()[0]
    if not count:
        return []
    (first,) = connection.execute(f"select {example} {rows} order by {key} limit 1").fetchall()[0]
    return [Difference(mart.name, what, count, first)]


def _earlier_time(
    settings: Settings, as_of: datetime, features: list[Mart], marts: Path
) -> datetime | None:
    """The feature time in the middle of the history; None where there is none before ``as_of``."""
    start, interval = _grid(settings)
    earliest = as_of
    with connect(settings.home) as connection:
        for mart in features:
            path = str(marts / f"{mart.name}.parquet")
            (first,) = connection.execute(
                f"select min({TIME}) from read_parquet(?)", [path]
            ).fetchall()[0]
            earliest = min(earliest, first or as_of)
    middle = earliest + (as_of - earliest) / 2
    at = start + (middle - start) // interval * interval
    later = at if at > earliest else at + interval
    return later if later < as_of else None


def _grid(settings: Settings) -> tuple[datetime, timedelta]:
    """A feature time, and the interval between two."""
    project = yaml.safe_load((settings.dbt_project / "dbt_project.yml").read_text())
    start, days = (project["vars"][f"feature_{name}"] for name in ("grid_start", "interval_days"))
    return datetime.fromisoformat(start), timedelta(days=days)


@contextmanager
def _scratch(settings: Settings) -> Iterator[Path]:
    """An empty folder for a second build, removed afterwards and after a kill."""
    folder = settings.warehouse.parent / "earlier"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
