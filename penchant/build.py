"""The build stage: dbt makes the marts of all that has landed, and they become one snapshot.

A snapshot's id says what is in it: the batches in the order in which one takes the place of
another, the files of the dbt project and the variables given to it. The same landing is therefore
built once. The DuckDB file is scratch: every build starts with none, so that neither a torn one nor
a grown one is ever met.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import structlog
import yaml

from penchant.errors import DataError, PenchantError, UsageError
from penchant.interactions import DBT_VARIABLES
from penchant.manifest import Mart, read_marts
from penchant.settings import Settings
from penchant.storage import STAGING_PREFIX, atomic_directory, held_alone, write_atomic, write_json

DUCKDB_MEMORY = "2GB"
PROJECT_FILES = {".sql", ".yml", ".csv"}
PASSED = {"success", "pass", "warn", "no-op"}
WITHOUT_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
PAGE_ONLY = ("--static", "--empty-catalog", "--no-compile")
MODEL_DONE = "LogModelResult"

log = structlog.get_logger()


@dataclass(frozen=True)
class BuildReport:
    """``status`` is built or unchanged; ``rows`` counts each mart's."""

    snapshot_id: str
    status: str
    rows: dict[str, int]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        """One line for people."""
        return (
            f"snapshot {self.snapshot_id} {self.status}: {len(self.rows)} marts, "
            f"{sum(self.rows.values()):,} rows ({self.seconds:.1f} s)"
        )


@dataclass(frozen=True, order=True)
class Batch:
    """What identifies a landing batch; batches sort in the order in which they are superseded.

    The order is that of the staging model ``stg_landing__batches``: by file name, and by time only
    between files of one name, so that landing the same days in another order changes nothing.
    """

    source: str
    table: str
    original_name: str
    landed_at: str
    sha256: str


@dataclass(frozen=True)
class Landing:
    """All that has landed, and ``as_of``: midnight after the last event in it, naive UTC."""

    batches: tuple[Batch, ...]
    as_of: datetime

    @property
    def sources(self) -> list[str]:
        return sorted({batch.source for batch in self.batches})

    @property
    def last_feedback(self) -> str | None:
        """The newest file of the reader's own log of events: it lands in the order of names."""
        names = [
            batch.original_name
            for batch in self.batches
            if (batch.source, batch.table) == ("feedback", "events")
        ]
        return max(names, default=None)

    @property
    def variables(self) -> dict[str, Any]:
        """The variables that dbt is given."""
        return {
            "sources": self.sources,
            "as_of": self.as_of.isoformat(sep=" "),
            **DBT_VARIABLES,
        }


def build(settings: Settings) -> BuildReport:
    """Build the snapshot of all that has landed, unless it is there already.

    Raises UsageError when nothing has landed, DataError when a test of the data fails, and
    PenchantError when dbt can't run or a model can't be built.
    """
    started = time.monotonic()
    landing = read_landing(settings)
    snapshot_id = identify(settings, landing)
    final = settings.snapshots / snapshot_id
    with held_alone(settings.warehouse.parent):
        status = "unchanged" if final.exists() else "built"
        if status == "built":
            _sweep(settings)
            with atomic_directory(final) as staging:
                _build(settings, landing, snapshot_id, staging)
    marts = json.loads((final / "snapshot.json").read_text())["marts"]
    rows = {name: mart["rows"] for name, mart in marts.items()}
    return BuildReport(snapshot_id, status, rows, round(time.monotonic() - started, 2))


def read_landing(settings: Settings) -> Landing:
    """Find the batches and the time of the last event.

    Raises UsageError when nothing has landed or dbt doesn't know a source, and DataError when what
    has landed holds no event.
    """
    found = [json.loads(path.read_text()) for path in settings.landing.glob("*/*/*/batch.json")]
    if not found:
        raise UsageError(f"nothing has landed in {settings.landing}", "run `penchant ingest` first")
    fields = Batch.__dataclass_fields__
    batches = sorted(Batch(**{name: batch[name] for name in fields}) for batch in found)
    times = _event_times(settings)
    unknown = {batch.source for batch in batches} - {source for source, _ in times}
    if unknown:
        raise UsageError(
            f"{settings.dbt_project} has no staging for the source {min(unknown)}",
            "add dbt/models/staging/<source>/_<source>.yml, with an event_time for a table",
        )
    latest = [
        _latest(settings.landing / source / table, column)
        for (source, table), column in times.items()
        if any((batch.source, batch.table) == (source, table) for batch in batches)
    ]
    moments = [moment for moment in latest if moment is not None]
    if not moments:
        raise DataError(
            f"what has landed in {settings.landing} holds no event", "ingest a table of events"
        )
    last_day = max(moments).replace(hour=0, minute=0, second=0, microsecond=0)
    return Landing(tuple(batches), last_day + timedelta(days=1))


def identify(settings: Settings, landing: Landing) -> str:
    """The snapshot's id: the same for the same batches, dbt project and variables, on any day."""
    digest = hashlib.sha256()
    for batch in landing.batches:
        digest.update(f"{batch.source}/{batch.table}/{batch.sha256}\n".encode())
    for file in _project_files(settings.dbt_project):
        digest.update(f"{file.relative_to(settings.dbt_project)}\n".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    digest.update(json.dumps(landing.variables, sort_keys=True).encode())
    return f"s-{landing.as_of:%Y%m%d}-{digest.hexdigest()[:12]}"


def run_dbt(settings: Settings, landing: Landing, marts: Path, *arguments: str) -> Path:
    """Run one dbt command with all that it takes from the environment; return its target folder.

    ``marts`` is the folder that marts are written to. Raises as ``build`` does.
    """
    # 1.5 s of import that a build which finds its snapshot unchanged shouldn't pay
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    scratch = settings.warehouse.parent
    target, dbt_log = scratch / "target", scratch / "logs" / "dbt.log"
    command = [
        *arguments,
        f"--project-dir={settings.dbt_project}",
        f"--profiles-dir={settings.dbt_project}",
        f"--target-path={target}",
        f"--log-path={scratch / 'logs'}",
        f"--vars={json.dumps(landing.variables)}",
        "--log-level=none",
        "--log-level-file=info",
        "--no-partial-parse",
        "--no-use-colors",
    ]
    (target / "run_results.json").unlink(missing_ok=True)
    with _environment(settings, marts):
        result = dbtRunner(callbacks=[_progress()]).invoke(command)
        DuckDBConnectionManager.close_all_connections()
    if (target / "run_results.json").exists():
        _check_results(target / "run_results.json", dbt_log)
    if result.exception or not result.success:
        raise PenchantError(
            f"dbt {arguments[0]} stopped: {str(result.exception).strip()}",
            f"fix it under {settings.dbt_project}; the whole log is {dbt_log}",
        )
    return target


def docs(settings: Settings) -> Path:
    """Write dbt's documentation of the models as one page for the static site; return its path.

    Raises as ``build`` does.
    """
    page = settings.site / "dbt_docs" / "index.html"
    landing = read_landing(settings)
    with held_alone(settings.warehouse.parent):
        target = run_dbt(
            settings, landing, settings.warehouse.parent, "docs", "generate", *PAGE_ONLY
        )
        write_atomic(page, (target / "static_index.html").read_text())
    return page


def content_hash(connection: duckdb.DuckDBPyConnection, mart: Mart, parquet: Path) -> str:
    """Hash of a mart's names, types and rows, whatever the order of the rows.

    The rows' hashes are added up, so that a row which is there twice counts twice. Columns that
    hold the wall clock are left out.
    """
    columns = [column for column in mart.columns if not column.meta.get("wall_clock")]
    names = ", ".join(f'"{column.name}"' for column in columns)
    summed = connection.execute(
        f"select count(*), sum(hash({names})::hugeint), bit_xor(hash('again', {names})) "
        "from read_parquet(?)",
        [str(parquet)],
    ).fetchone()
    described = json.dumps([[[column.name, column.type] for column in columns], summed])
    return hashlib.sha256(described.encode()).hexdigest()


def _build(settings: Settings, landing: Landing, snapshot_id: str, staging: Path) -> None:
    folder = staging / "marts"
    folder.mkdir()
    target = run_dbt(settings, landing, folder, "build", *WITHOUT_UNIT_TESTS)
    for artifact in ("manifest.json", "run_results.json"):
        shutil.copyfile(target / artifact, staging / artifact)
    with duckdb.connect(config={"threads": settings.threads}) as connection:
        marts = {
            mart.name: _describe(connection, mart, folder / f"{mart.name}.parquet")
            for mart in read_marts(staging / "manifest.json")
        }
    description = {
        "id": snapshot_id,
        "as_of": landing.as_of.isoformat(),
        "sources": landing.sources,
        "batches": len(landing.batches),
        "last_feedback": landing.last_feedback,
        "marts": marts,
    }
    write_json(staging / "snapshot.json", description)


def _describe(
    connection: duckdb.DuckDBPyConnection, mart: Mart, parquet: Path
) -> dict[str, int | str]:
    """Rows and content hash. Raises PenchantError when dbt left no file for the mart."""
    if not parquet.is_file():
        raise PenchantError(
            f"dbt built no {parquet.name}", f"is {mart.name} materialized as `external`?"
        )
    counted = connection.execute("select count(*) from read_parquet(?)", [str(parquet)]).fetchall()
    return {"rows": counted[0][0], "content_hash": content_hash(connection, mart, parquet)}


def _sweep(settings: Settings) -> None:
    """Remove the scratch of the build before, and what a killed one left half made."""
    scratch = settings.warehouse.parent
    for file in scratch.glob(f"{settings.warehouse.name}*"):
        file.unlink()
    for folder in ("tmp", "target"):
        shutil.rmtree(scratch / folder, ignore_errors=True)
    for half_made in settings.snapshots.glob(f"{STAGING_PREFIX}s-*"):
        shutil.rmtree(half_made)


@contextmanager
def _environment(settings: Settings, marts: Path) -> Iterator[None]:
    """What profiles.yml and the models read; dbt has no other way in. Undone afterwards."""
    values = {
        "PENCHANT_LANDING": _sql_text(settings.landing.resolve()),
        "PENCHANT_MARTS": str(marts.resolve()),
        "PENCHANT_WAREHOUSE": str(settings.warehouse.resolve()),
        "PENCHANT_DUCKDB_TEMP": str((settings.warehouse.parent / "tmp").resolve()),
        "PENCHANT_DUCKDB_MEMORY": DUCKDB_MEMORY,
        "PENCHANT_THREADS": str(settings.threads),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _progress() -> Callable[[Any], None]:
    """A callback that says each finished model, with its place in the run and its seconds."""

    def say(event: Any) -> None:
        if event.info.name == MODEL_DONE:
            done = event.data
            log.info(
                "build",
                at=f"{done.index}/{done.total}",
                model=done.node_info.node_name,
                status=done.status,
                seconds=round(done.execution_time, 2),
            )

    return say


def _check_results(run_results: Path, dbt_log: Path) -> None:
    """Raise for whatever did not pass: dbt's own exit status is 0 on some partial successes."""
    results = json.loads(run_results.read_text())["results"]
    wrong = [result for result in results if result["status"] not in PASSED]
    told = [result for result in wrong if result["status"] != "skipped"] or wrong
    if not told:
        return
    cause = "; ".join(
        f"{result['unique_id']}: {' '.join((result['message'] or result['status']).split())}"
        for result in told
    )
    kind = DataError if all(result["status"] == "fail" for result in told) else PenchantError
    raise kind(
        f"{len(told)} of dbt's {len(results)} steps did not pass: {cause}",
        "correct the landed file or the model, whose SQL is in target/compiled beside the log; two "
        f"sources that use the same ids need a home each; the whole log is {dbt_log}",
    )


def _event_times(settings: Settings) -> dict[tuple[str, str], str]:
    """(source, table) → the column that says when a row happened, from dbt's source YAML."""
    return {
        (source["name"], table["name"]): table["config"]["meta"]["event_time"]
        for path in sorted(settings.dbt_project.glob("models/staging/*/*.yml"))
        for source in yaml.safe_load(path.read_text()).get("sources", [])
        for table in source["tables"]
        if "event_time" in table.get("config", {}).get("meta", {})
    }


def _latest(table: Path, column: str) -> datetime | None:
    with duckdb.connect() as connection:
        found = connection.execute(
            f'select max("{column}") from read_parquet(?, union_by_name = true)',
            [str(table / "*" / "data.parquet")],
        ).fetchall()
    return found[0][0]


def _project_files(project: Path) -> list[Path]:
    """What decides the marts' content: models, macros and settings, but nothing that dbt wrote."""
    made = {"target", "logs", "dbt_packages"}
    return sorted(
        file
        for file in project.rglob("*")
        if file.suffix in PROJECT_FILES and file.relative_to(project).parts[0] not in made
    )


def _sql_text(path: Path) -> str:
    """A path as it stands between single quotes in SQL."""
    return str(path).replace("'", "''")
