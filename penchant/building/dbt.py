"""Running dbt in this process: its environment, progress and results."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
import yaml

from penchant.building.contract import broken_contract
from penchant.building.landed import Landing, landed_events
from penchant.building.limits import Limits
from penchant.building.previous import Previous
from penchant.encryption.duckdb_connection import PREFIX
from penchant.encryption.keyring import is_encrypted
from penchant.errors import DataError, PenchantError
from penchant.settings import Settings

PASSED = {"success", "pass", "warn", "no-op"}
MODEL_DONE = "LogModelResult"

log = structlog.get_logger()


def run_dbt(
    settings: Settings,
    landing: Landing,
    marts: Path,
    *arguments: str,
    database: Path | None = None,
    previous: Previous | None = None,
) -> Path:
    """Run one dbt command that writes marts to the folder ``marts``; return its target folder.

    ``database``: the DuckDB file, the warehouse if left out; dbt's own files lie beside it.
    ``previous``: compile for a build that keeps rows of it, see ``previous.py``.
    Raises DataError when a data test fails, and PenchantError when dbt can't run or a model can't
    be built.
    """
    # takes 1.5 s to import, which an unchanged snapshot doesn't need
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    database = database or settings.warehouse
    scratch = database.parent
    target, dbt_log = scratch / "target", scratch / "logs" / "dbt.log"
    command = [
        *arguments,
        f"--project-dir={settings.dbt_project}",
        f"--profiles-dir={settings.dbt_project}",
        "--target=production",
        f"--target-path={target}",
        f"--log-path={scratch / 'logs'}",
        f"--vars={json.dumps(dbt_variables(settings, landing))}",
        "--log-level=none",
        "--log-level-file=info",
        "--partial-parse",
        "--no-use-colors",
    ]
    (target / "run_results.json").unlink(missing_ok=True)
    with _environment(settings, marts, landing, database, previous):
        result = dbtRunner(callbacks=[_log_progress()]).invoke(command)
        DuckDBConnectionManager.close_all_connections()
    if (target / "run_results.json").exists():
        _check_results(target / "run_results.json", dbt_log)
    if result.exception or not result.success:
        raise PenchantError(
            f"dbt {arguments[0]} failed: {str(result.exception).strip()}",
            f"fix it under {settings.dbt_project}; the full log is {dbt_log}",
        )
    return target


def dbt_variables(settings: Settings, landing: Landing) -> dict[str, Any]:
    """The variables that what has landed decides, without ``as_of``: a changed variable has dbt
    parse the whole project again."""
    variables = {name: value for name, value in landing.variables.items() if name != "as_of"}
    canonical_tables = yaml.load(
        (settings.dbt_project / "canonical_tables.yml").read_text(), yaml.CSafeLoader
    )
    slices = {"user_slices": Limits.of(settings).slices(landed_events(settings))}
    return variables | canonical_tables | slices


def _dbt_environment(settings: Settings, marts: Path, database: Path) -> dict[str, str]:
    """The environment variables that profiles.yml and the models read."""
    limits = Limits.of(settings)
    return {
        "PENCHANT_HOME": str(settings.home.resolve()),
        "PENCHANT_LANDING": str(settings.landing.resolve()).replace("'", "''"),  # in SQL quotes
        "PENCHANT_SCHEME": PREFIX if is_encrypted(settings) else "",
        "PENCHANT_MARTS": str(marts.resolve()),
        "PENCHANT_WAREHOUSE": str(database.resolve()),
        "PENCHANT_DUCKDB_TEMP": str((database.parent / "tmp").resolve()),
        "PENCHANT_DUCKDB_MEMORY": f"{limits.memory_mb}MB",
        "PENCHANT_DUCKDB_TEMP_SIZE": f"{limits.temp_mb}MB",
        "PENCHANT_DUCKDB_THREADS": str(limits.threads),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


@contextmanager
def _environment(
    settings: Settings, marts: Path, landing: Landing, database: Path, previous: Previous | None
) -> Iterator[None]:
    """Set dbt's environment variables, then restore them."""
    values = _dbt_environment(settings, marts, database)
    values["DBT_AS_OF"] = landing.variables["as_of"]
    values["PENCHANT_PREVIOUS"] = str(previous.database.resolve()) if previous else ""
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


def _log_progress() -> Callable[[Any], None]:
    """A callback that logs each finished model, with its number in the run and its seconds."""

    def callback(event: Any) -> None:
        if event.info.name == MODEL_DONE:
            done = event.data
            log.info(
                "build",
                at=f"{done.index}/{done.total}",
                model=done.node_info.node_name,
                status=done.status,
                seconds=round(done.execution_time, 2),
            )

    return callback


def _check_results(run_results: Path, dbt_log: Path) -> None:
    """Raise for each node that did not pass: dbt's exit status is 0 on some partial successes."""
    results = json.loads(run_results.read_text())["results"]
    wrong = [result for result in results if result["status"] not in PASSED]
    reported = [result for result in wrong if result["status"] != "skipped"] or wrong
    if not reported:
        return
    broken = [line for one in reported for line in broken_contract(one["message"] or "")]
    if broken:
        raise PenchantError(
            "\n  ".join(["the SQL and the YAML of a mart differ:", *broken]),
            "describe the column in the YAML as it is in the SQL, or cast it in the SQL",
        )
    cause = "; ".join(
        f"{result['unique_id']}: {' '.join((result['message'] or result['status']).split())}"
        for result in reported
    )
    kind = DataError if all(result["status"] == "fail" for result in reported) else PenchantError
    raise kind(
        f"{len(reported)} of {len(results)} dbt nodes did not pass: {cause}",
        "fix the landed file or the model (compiled SQL is in target/compiled beside the log); two "
        "sources with the same ids need a separate PENCHANT_HOME each; the full log is "
        f"{dbt_log}",
    )
