"""dbt's own commands on a database beside production's: ``penchant dbt build --select …``.

The database starts as a copy of the last build's, so a model's upstream tables are there; its marts
are views of that build's Parquet files until they are built here. Production never reads it.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb
import yaml

from penchant.building.dbt import dbt_environment
from penchant.building.landed import Landing, read_landing
from penchant.settings import Settings
from penchant.storage import STAGING_PREFIX, held_alone

WITHOUT_VARIABLES = ("clean", "deps", "--version", "--help")


def run_by_hand(settings: Settings, arguments: Sequence[str]) -> int:
    """Run a dbt command as in a shell; return its exit status. Raises as ``read_landing`` does."""
    landing = read_landing(settings)
    with held_alone(settings.warehouse.parent):
        prepare(settings)
    done = subprocess.run(command(settings, landing, arguments), env=environment(settings))
    return done.returncode


def folder_of(settings: Settings) -> Path:
    return settings.home / "by_hand"


def database_of(settings: Settings) -> Path:
    return folder_of(settings) / "penchant.duckdb"


def prepare(settings: Settings) -> None:
    """Copy the database of the last build, unless the copy is as new."""
    (folder_of(settings) / "marts").mkdir(parents=True, exist_ok=True)
    database = database_of(settings)
    if not settings.warehouse.exists() or (
        database.exists() and database.stat().st_mtime >= settings.warehouse.stat().st_mtime
    ):
        return
    copy = database.with_suffix(".new")
    shutil.copyfile(settings.warehouse, copy)
    with duckdb.connect(str(copy)) as connection:
        for parquet in _last_marts(settings):
            path, name = str(parquet).replace("'", "''"), parquet.stem
            connection.execute(f"create or replace view \"{name}\" as from read_parquet('{path}')")
    copy.replace(database)


def command(settings: Settings, landing: Landing, arguments: Sequence[str]) -> list[str]:
    """The dbt command with the project, the variables and folders of its own for what it writes."""
    dbt = str(Path(sys.executable).with_name("dbt"))
    if not arguments or arguments[0] in WITHOUT_VARIABLES:
        return [dbt, *arguments]
    tables = yaml.safe_load((settings.dbt_project / "canonical_tables.yml").read_text())
    return [
        dbt,
        *arguments,
        f"--project-dir={settings.dbt_project}",
        f"--profiles-dir={settings.dbt_project}",
        f"--target-path={folder_of(settings) / 'target'}",
        f"--log-path={folder_of(settings) / 'logs'}",
        f"--vars={json.dumps(landing.variables | tables)}",
    ]


def environment(settings: Settings) -> dict[str, str]:
    """The variables that profiles.yml and the models read."""
    marts = folder_of(settings) / "marts"
    return {**os.environ, **dbt_environment(settings, marts, database_of(settings))}


def _last_marts(settings: Settings) -> list[Path]:
    """The marts of the snapshot that was built last."""
    built = [
        file
        for file in settings.snapshots.glob("*/snapshot.json")
        if not file.parent.name.startswith(STAGING_PREFIX)
    ]
    last = max(built, key=lambda file: file.stat().st_mtime_ns, default=None)
    return sorted((last.parent / "marts").glob("*.parquet")) if last else []
