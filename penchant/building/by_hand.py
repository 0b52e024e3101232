"""dbt's own commands on a database beside production's: ``penchant dbt build --select …``.

The database starts as a copy of the last build's, so a model's upstream tables are there; its marts
are views of that build's Parquet files until they are built here. Production never reads it.

Beside it is a dbt project with the variables of the landing: models and macros are links to those
of the repository, so ``cd .penchant/by_hand/project && dbt build`` and an editor's language server
work there without environment variables or arguments.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import yaml

from penchant.building.dbt import dbt_environment
from penchant.building.landed import Landing, landed_rows, read_landing
from penchant.building.limits import Limits
from penchant.settings import Settings
from penchant.storage import STAGING_PREFIX, held_alone, write_atomic

LINKED = ("models", "macros", "profiles.yml")
# `+enabled` of a source, where dbt reads no variable of its project
ENABLED = re.compile(r"\{\{ '(\w+)' in var\('sources', .*\) \}\}")
PATHS = ("PENCHANT_MARTS", "PENCHANT_WAREHOUSE", "PENCHANT_DUCKDB_TEMP")


def run_by_hand(settings: Settings, arguments: Sequence[str]) -> int:
    """Run a dbt command as in a shell; return its exit status. Raises as ``read_landing`` does."""
    landing = read_landing(settings)
    with held_alone(settings.warehouse.parent):
        prepare(settings, landing)
    dbt = str(Path(sys.executable).with_name("dbt"))
    done = subprocess.run(
        [dbt, *arguments], cwd=project_of(settings), env=environment(settings), check=False
    )
    return done.returncode


def folder_of(settings: Settings) -> Path:
    return settings.home / "by_hand"


def project_of(settings: Settings) -> Path:
    """The dbt project to run commands in."""
    return folder_of(settings) / "project"


def database_of(settings: Settings) -> Path:
    return folder_of(settings) / "penchant.duckdb"


def prepare(settings: Settings, landing: Landing) -> None:
    """Write the project, and copy the database of the last build unless the copy is as new."""
    for folder in ("marts", "project"):
        (folder_of(settings) / folder).mkdir(parents=True, exist_ok=True)
    _write_project(settings, landing)
    database = database_of(settings)
    if not settings.warehouse.exists() or (
        database.exists() and database.stat().st_mtime >= settings.warehouse.stat().st_mtime
    ):
        return
    copy = database.with_suffix(".new")
    shutil.copyfile(settings.warehouse, copy)
    with duckdb.connect(str(copy)) as connection:
        for parquet in _last_marts(settings):
            path, name = str(parquet.resolve()).replace("'", "''"), parquet.stem
            connection.execute(f"create or replace view \"{name}\" as from read_parquet('{path}')")
    copy.replace(database)


def environment(settings: Settings) -> dict[str, str]:
    """Limits, and the landing as a build names it, so that `state:modified` finds edits alone. The
    project finds its other files by itself."""
    marts = folder_of(settings) / "marts"
    limits = dbt_environment(settings, marts, database_of(settings))
    kept = {name: value for name, value in os.environ.items() if name not in PATHS}
    return kept | {name: value for name, value in limits.items() if name not in PATHS}


def _write_project(settings: Settings, landing: Landing) -> None:
    """A project whose defaults are the variables of ``penchant build``."""
    project, original = project_of(settings), settings.dbt_project.resolve()
    for name in LINKED:
        _link(project / name, original / name)
    # the paths that profiles.yml and the sources default to
    _link(folder_of(settings) / ".penchant", Path(".."))
    described: dict[str, Any] = yaml.safe_load((original / "dbt_project.yml").read_text())
    tables = yaml.safe_load((original / "canonical_tables.yml").read_text())
    slices = {"user_slices": Limits.of(settings).slices(landed_rows(settings))}
    described["vars"] |= landing.variables | tables | slices
    written = yaml.safe_dump(_said(described, landing.sources), sort_keys=False, allow_unicode=True)
    file = project / "dbt_project.yml"
    if not file.exists() or file.read_text() != written:
        write_atomic(file, written)


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _said(value: Any, sources: list[str]) -> Any:
    """With lists in place of tuples, which YAML has no notation for, and sources switched."""
    if isinstance(value, dict):
        return {key: _said(each, sources) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_said(each, sources) for each in value]
    source = ENABLED.fullmatch(value) if isinstance(value, str) else None
    return source[1] in sources if source else value


def _last_marts(settings: Settings) -> list[Path]:
    """The marts of the snapshot that was built last."""
    built = [
        file
        for file in settings.snapshots.glob("*/snapshot.json")
        if not file.parent.name.startswith(STAGING_PREFIX)
    ]
    last = max(built, key=lambda file: file.stat().st_mtime_ns, default=None)
    return sorted((last.parent / "marts").glob("*.parquet")) if last else []
