"""dbt's own commands on a database beside production's: ``cd dbt && dbt build --select …``.

What has landed decides some variables of the dbt project. ``penchant build`` writes them to
``by_hand/`` in the home as a dbt package, so that dbt needs neither arguments nor environment
variables. Before dbt opens the database there, the plugin of profiles.yml (``dbt_plugin``) copies
the last build's, so a model's upstream tables are there; its marts are views of that build's
Parquet files until they are built here. Production never reads it.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from penchant.building.dbt import dbt_variables
from penchant.building.landed import Landing, read_landing
from penchant.building.limits import Limits
from penchant.encryption.duckdb_connection import connect
from penchant.encryption.encrypted_file import copy_plain
from penchant.settings import Settings
from penchant.storage import (
    STAGING_PREFIX,
    held_alone,
    held_unless_in_use,
    write_atomic,
)

PACKAGE = "penchant_landing"
# dbt parses the whole project again when this file changes
PACKAGE_PROJECT = """\
# written by `penchant build`; variables {digest}
name: {name}
version: 1.0.0
config-version: 2
macro-paths: [macros]
"""
PACKAGE_MACROS = """\
{{% macro variables() %}}{{{{ return(fromjson({variables})) }}}}{{% endmacro %}}
"""
TEMPLATE_MARKS = str.maketrans({mark: f"\\u{ord(mark):04x}" for mark in "{}%#"})
PRODUCTION = (
    "PENCHANT_LANDING",
    "PENCHANT_MARTS",
    "PENCHANT_WAREHOUSE",
    "PENCHANT_PREVIOUS",
    "DBT_AS_OF",
)


def run_by_hand(settings: Settings, arguments: Sequence[str]) -> int:
    """Run a dbt command as in a shell; return its exit status. Raises as ``read_landing`` does."""
    write_variables(settings, read_landing(settings))
    dbt = str(Path(sys.executable).with_name("dbt"))
    done = subprocess.run(
        [dbt, *arguments], cwd=settings.dbt_project, env=_environment(settings), check=False
    )
    return done.returncode


def folder_of(settings: Settings) -> Path:
    return settings.home / "by_hand"


def database_of(settings: Settings) -> Path:
    return folder_of(settings) / "penchant.duckdb"


def live_of(settings: Settings) -> Path:
    """A link to the live snapshot, with its manifest, for dbt's ``--state``."""
    return folder_of(settings) / "live"


def write_variables(settings: Settings, landing: Landing) -> None:
    """Write the package of which dbt reads what ``penchant build`` passes to it."""
    variables = json.dumps(dbt_variables(settings, landing), sort_keys=True)
    digest = hashlib.sha256(variables.encode()).hexdigest()
    package = folder_of(settings) / "packages" / PACKAGE
    written = {
        package / "macros" / "landing.sql": PACKAGE_MACROS.format(variables=_quoted(variables)),
        package / "dbt_project.yml": PACKAGE_PROJECT.format(name=PACKAGE, digest=digest),
    }
    for file, text in written.items():
        if not file.exists() or file.read_text() != text:
            write_atomic(file, text)


def prepare(settings: Settings) -> None:
    """Copy the database of the last build unless the copy is as new, and link the live snapshot.

    While a build runs, an older copy is used; without a copy this waits for the build.
    """
    (folder_of(settings) / "marts").mkdir(parents=True, exist_ok=True)
    _link(live_of(settings), settings.live_snapshot.current())
    if not settings.warehouse.exists():
        return
    lock = settings.warehouse.parent / ".lock"
    if database_of(settings).exists():
        with held_unless_in_use(lock) as free:
            if free:
                _copy_database(settings)
    else:
        with held_alone(lock.parent):
            _copy_database(settings)


def _copy_database(settings: Settings) -> None:
    database = database_of(settings)
    if database.exists() and database.stat().st_mtime >= settings.warehouse.stat().st_mtime:
        return
    copy = database.with_suffix(".new")
    copy_plain(settings.warehouse, copy)
    with connect(settings.home, str(copy)) as connection:
        for parquet in _last_marts(settings):
            path, name = str(parquet.resolve()).replace("'", "''"), parquet.stem
            connection.execute(f"create or replace view \"{name}\" as from read_parquet('{path}')")
    copy.replace(database)


def _environment(settings: Settings) -> dict[str, str]:
    """The home and its limits; dbt's own files are in the home too."""
    limits, folder = Limits.of(settings), folder_of(settings).resolve()
    kept = {name: value for name, value in os.environ.items() if name not in PRODUCTION}
    return kept | {
        "PENCHANT_HOME": str(settings.home.resolve()),
        "PENCHANT_DUCKDB_MEMORY": f"{limits.memory_mb}MB",
        "PENCHANT_DUCKDB_THREADS": str(limits.threads),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }


def _link(link: Path, snapshot_id: str | None) -> None:
    target = Path("..", "snapshots", snapshot_id or "none")
    if not link.is_symlink() or link.readlink() != target:
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def _quoted(text: str) -> str:
    """A text of Jinja in which nothing is a mark of a template."""
    return json.dumps(text).translate(TEMPLATE_MARKS)


def _last_marts(settings: Settings) -> list[Path]:
    """The marts of the snapshot that was built last."""
    built = [
        file
        for file in settings.snapshots.glob("*/snapshot.json")
        if not file.parent.name.startswith(STAGING_PREFIX)
    ]
    last = max(built, key=lambda file: file.stat().st_mtime_ns, default=None)
    return sorted((last.parent / "marts").glob("*.parquet")) if last else []
