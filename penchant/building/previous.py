"""The previous build, whose rows a build keeps where nothing before them has changed.

A build that succeeded leaves its database with a record of what it was built by. The next build
reads it, unless that differs, and removes it at its end. See dbt/macros/kept.sql.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from penchant.artifacts import KeptRows, Snapshot
from penchant.building.landed import Landing
from penchant.building.project import content_version
from penchant.encryption.keyring import is_encrypted
from penchant.manifest import Mart
from penchant.settings import Settings

RECORD = "built_by"


@dataclass(frozen=True)
class Previous:
    """The database of a build that was set aside, the snapshot that it made, and what it was built
    by."""

    database: Path
    snapshot: Snapshot
    by: str


def set_aside(settings: Settings, landing: Landing) -> Previous | None:
    """Rename the database of the last build; None unless this build may keep rows of it.

    In an encrypted home the database is encrypted as a whole, so nothing is kept.
    """
    previous = _path(settings)
    if is_encrypted(settings):
        previous.unlink(missing_ok=True)
        return None
    if settings.warehouse.exists() and _read(settings.warehouse):
        settings.warehouse.replace(previous)
    found = _read(previous) if previous.exists() else None
    if found is None or found["by"] != _by(settings, landing):
        return None
    if not (settings.snapshots / found["snapshot_id"]).is_dir():
        return None
    return Previous(previous, Snapshot.open(settings, found["snapshot_id"]), found["by"])


def kept_rows(
    settings: Settings, previous: Previous, marts: Iterable[Mart], folder: Path
) -> dict[str, KeptRows]:
    """What marts that were just built have in common with those of the previous snapshot.

    ``folder``: of the marts.
    """
    with duckdb.connect(str(settings.warehouse), read_only=True) as connection:
        (since,) = connection.execute("SELECT differs_from FROM int_first_change").fetchall()[0]
        files = [str(folder / "sequences.parquet"), str(previous.snapshot.mart("sequences"))]
        types = connection.execute(
            "SELECT count(DISTINCT target_event_type) FROM read_parquet(?)", [files]
        ).fetchall()
    unlike = {"sequences"} if types[0][0] > 1 else set()
    return {
        mart.name: KeptRows(by=mart.kept_by, since=since)
        for mart in marts
        if mart.kept_by and mart.name not in unlike
    }


def record(settings: Settings, landing: Landing, snapshot: Snapshot) -> None:
    """Record in the database what it was built by, and remove the one before it.

    What is built on it by hand keeps no rows, so nothing in it differs from a full build. Nothing
    is recorded in an encrypted home.
    """
    if is_encrypted(settings):
        return
    with duckdb.connect(str(settings.warehouse)) as connection:
        for mart in snapshot.description.marts:
            path = str(snapshot.mart(mart).resolve()).replace("'", "''")
            connection.execute(f"CREATE OR REPLACE VIEW \"{mart}\" AS FROM read_parquet('{path}')")
        connection.execute("UPDATE int_first_change SET differs_from = '-infinity'")
        connection.execute(f"CREATE TABLE {RECORD} (snapshot_id VARCHAR, described VARCHAR)")
        connection.execute(
            f"INSERT INTO {RECORD} VALUES (?, ?)", [snapshot.id, _by(settings, landing)]
        )
    _path(settings).unlink(missing_ok=True)


def _path(settings: Settings) -> Path:
    return settings.warehouse.with_name("previous.duckdb")


def _by(settings: Settings, landing: Landing) -> str:
    """The project, the variables but for the end of the data, DuckDB, and where the home is: the
    database has views of its files."""
    variables = {name: value for name, value in landing.variables.items() if name != "as_of"}
    versions = [content_version(settings.dbt_project), duckdb.__version__]
    return json.dumps([versions, variables, str(settings.landing.resolve())], sort_keys=True)


def _read(database: Path) -> dict[str, str] | None:
    """The record; None in the database of a build that failed, was killed or is of before."""
    with duckdb.connect(str(database), read_only=True) as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        if (RECORD,) not in tables:
            return None
        snapshot_id, by = connection.execute(f"FROM {RECORD}").fetchall()[0]
    return {"snapshot_id": snapshot_id, "by": by}
