"""The previous build, whose rows a build keeps where nothing before them has changed.

A build that succeeded leaves its database with a record of what it was built by. The next build
reads it, unless that differs, and removes it at its end. See dbt/macros/kept.sql.
"""

import json
from pathlib import Path

import duckdb

from penchant.artifacts import Snapshot
from penchant.building.landed import Landing
from penchant.building.project import content_version
from penchant.encryption.keyring import is_encrypted
from penchant.settings import Settings

RECORD = "built_by"


def set_aside(settings: Settings, landing: Landing) -> Path | None:
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
    return previous if (settings.snapshots / found["snapshot_id"]).is_dir() else None


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
    """The project, the variables but for the end of the data, and DuckDB."""
    variables = {name: value for name, value in landing.variables.items() if name != "as_of"}
    return json.dumps(
        [content_version(settings.dbt_project), variables, duckdb.__version__], sort_keys=True
    )


def _read(database: Path) -> dict[str, str] | None:
    """The record; None in the database of a build that failed, was killed or is of before."""
    with duckdb.connect(str(database), read_only=True) as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        if (RECORD,) not in tables:
            return None
        snapshot_id, by = connection.execute(f"FROM {RECORD}").fetchall()[0]
    return {"snapshot_id": snapshot_id, "by": by}
