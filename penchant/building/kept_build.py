"""A build that keeps rows of the previous one, on a copy of its database.

The SQL is what dbt has compiled (compiled.py); dbt itself, whose start and bookkeeping take longer
than an ordinary day's rows, is not run. A table or mart with rows that are kept loses its others,
and gets those that its SQL selects (dbt/macros/kept.sql); one without is built whole. The result is
that of a full build by dbt, which tests/dbt/test_kept_rows.py holds.
"""

import errno
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import structlog

from penchant.building.compiled import BATCHES, Model, read_models
from penchant.building.dbt import dbt_variables, run_dbt
from penchant.building.landed import Landing
from penchant.building.limits import Limits
from penchant.building.previous import RECORD, Previous
from penchant.encryption.parts import parts_of
from penchant.errors import PenchantError
from penchant.settings import Settings
from penchant.storage import write_json

NEW_ROWS = "new_rows"
NOT_LINKED = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK)
"""Errors of a disk that has no hard links, or no more of a file."""

log = structlog.get_logger()


def build_on(
    settings: Settings, landing: Landing, marts: Path, previous: Previous
) -> list[dict[str, Any]]:
    """Build the warehouse and the marts in the folder ``marts``; return what took how long.

    Raises PenchantError that names a model which DuckDB can't build.
    """
    models = _models(settings, landing, previous)
    _copy_database(settings, previous)
    slices = int(dbt_variables(settings, landing)["user_slices"])
    results = []
    with _connect(settings, landing, previous) as connection:
        build = _Build(connection, previous, marts, slices)
        landed = {batch.name for batch in landing.batches}
        other = landed.symmetric_difference(previous.snapshot.description.landed)
        changed = {BATCHES, *("/".join(name.split("/")[:2]) for name in other)}
        as_of_changed = landing.as_of != previous.snapshot.as_of
        for number, model in enumerate(models, start=1):
            started = time.monotonic()
            try:
                if model.is_affected(changed, as_of_changed):
                    build.model(model)
                else:
                    build.keep(model)
            except duckdb.Error as error:
                raise PenchantError(
                    f"the model {model.name} can't be built on the rows of the snapshot "
                    f"{previous.snapshot.id}: {error}",
                    "run `penchant build --full-refresh`, and look at the landed files if it fails",
                ) from error
            seconds = time.monotonic() - started
            at = f"{number}/{len(models)}"
            log.info("build", at=at, model=model.name, status="success", seconds=round(seconds, 2))
            results.append(
                {
                    "unique_id": model.unique_id,
                    "status": "success",
                    "execution_time": seconds,
                    "message": None,
                }
            )
    return results


def _models(settings: Settings, landing: Landing, previous: Previous) -> list[Model]:
    """The compiled models, compiled anew unless this project and its variables were."""
    kept = settings.warehouse.parent / "compiled"
    of = {"by": previous.by, "variables": dbt_variables(settings, landing)}
    manifest, compiled_of = kept / "manifest.json", kept / "compiled_of.json"
    if not compiled_of.exists() or json.loads(compiled_of.read_text()) != _as_json(of):
        compiled_of.unlink(missing_ok=True)
        kept.mkdir(exist_ok=True)
        target = run_dbt(settings, landing, kept, "compile", previous=previous)
        shutil.copyfile(target / "manifest.json", manifest)
        write_json(compiled_of, of)
    return read_models(manifest)


def _as_json(value: object) -> Any:
    return json.loads(json.dumps(value, default=str))


def _copy_database(settings: Settings, previous: Previous) -> None:
    """Copy the database; without the record, so that a killed build's isn't taken for a whole."""
    copy = settings.warehouse.with_name(f"{settings.warehouse.name}.new")
    shutil.copyfile(previous.database, copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute(f"DROP TABLE {RECORD}")
    copy.replace(settings.warehouse)


def _connect(settings: Settings, landing: Landing, previous: Previous) -> duckdb.DuckDBPyConnection:
    """The database as profiles.yml has dbt open it."""
    limits, scratch = Limits.of(settings), settings.warehouse.parent
    connection = duckdb.connect(
        str(settings.warehouse),
        config={
            "threads": limits.threads,
            "memory_limit": f"{limits.memory_mb}MB",
            "temp_directory": str(scratch / "tmp"),
            "max_temp_directory_size": f"{limits.temp_mb}MB",
        },
    )
    as_of = landing.variables["as_of"]
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"ATTACH {_text(previous.database)} AS previous (READ_ONLY)")
    connection.execute(f"CREATE OR REPLACE MACRO end_of_data() AS CAST('{as_of}' AS TIMESTAMP)")
    return connection


@dataclass(frozen=True)
class _Build:
    connection: duckdb.DuckDBPyConnection
    previous: Previous
    marts: Path
    slices: int

    def model(self, model: Model) -> None:
        if model.materialized == "external":
            self._mart(model)
        elif model.compared:
            self._write_differing(model, model.compared)
        elif model.kept is None:
            self._fill(model.name, model)
        else:
            self._fill_new_rows(model)
            self._run(f"DELETE FROM {model.name} WHERE ({model.kept}) IS NOT TRUE")
            self._run(f"INSERT INTO {model.name} BY NAME FROM {NEW_ROWS}")
            self._run(f"DROP TABLE {NEW_ROWS}")

    def keep(self, model: Model) -> None:
        """A model whose rows are those of the previous build. Its table is in the database."""
        if model.materialized == "external":
            before, path = self.previous.snapshot.mart(model.name), self._path(model)
            if before.is_dir():
                path.mkdir()
            for file in parts_of(before):
                _link(file, path / file.name if before.is_dir() else path)
            self._create_view(model)

    def _write_differing(self, model: Model, part: str) -> None:
        """Build a table whole, and write the parts that differ from those of the previous build.

        DuckDB takes longer to compress a table of events than to build it. ``part``: SQL
        of a row's part.
        """
        self._fill_new_rows(model)
        new, old = (_fingerprints(table, part) for table in (NEW_ROWS, model.name))
        self._run(
            f"CREATE TEMP TABLE differing AS SELECT DISTINCT part FROM "
            f"(({new} EXCEPT {old}) UNION ALL ({old} EXCEPT {new}))"
        )
        differs = f"{part} IN (SELECT part FROM differing)"
        self._run(f"DELETE FROM {model.name} WHERE {differs}")
        self._run(f"INSERT INTO {model.name} BY NAME FROM {NEW_ROWS} WHERE {differs}")
        self._run("DROP TABLE differing")
        self._run(f"DROP TABLE {NEW_ROWS}")

    def _path(self, model: Model) -> Path:
        return self.marts / f"{model.name}.parquet"

    def _create_view(self, model: Model) -> None:
        self._run(f"CREATE OR REPLACE VIEW {model.name} AS FROM {_parquet(self._path(model))}")

    def _mart(self, model: Model) -> None:
        path = self._path(model)
        columns, before = ", ".join(model.columns), self.previous.snapshot.mart(model.name)
        self._fill_new_rows(model)
        built = f"SELECT {columns} FROM {NEW_ROWS}"
        if model.kept is None:
            self._copy(built, path)
        elif model.parts is None:
            kept = f"SELECT {columns} FROM {_parquet(before)} WHERE {model.kept}"
            self._copy(f"{kept} UNION ALL ({built}) ORDER BY {_listed(model.primary_key)}", path)
        else:
            self._parts(model, before, path)
        self._run(f"DROP TABLE {NEW_ROWS}")
        self._create_view(model)

    def _parts(self, model: Model, before: Path, path: Path) -> None:
        """Link the files of periods without a change, and write those of the others."""
        assert model.kept_by is not None
        changed = self.connection.execute(
            f"SELECT {model.parts} FROM {NEW_ROWS} "
            f"UNION SELECT {model.parts} FROM {_parquet(before)} WHERE ({model.kept}) IS NOT TRUE"
        ).fetchall()
        written = {f"{part:%Y-%m-%d}" for (part,) in changed}
        path.mkdir()
        for file in before.glob("*.parquet"):
            if file.stem not in written:
                _link(file, path / file.name)
        columns, order = ", ".join(model.columns), _listed((model.kept_by, *model.primary_key))
        for part in sorted(written):
            rows = f"SELECT {columns} FROM {NEW_ROWS} WHERE {model.parts} = TIMESTAMP '{part}'"
            old = before / f"{part}.parquet"
            if old.exists():
                rows = f"{rows} UNION ALL SELECT {columns} FROM {_parquet(old)} WHERE {model.kept}"
            self._copy(f"{rows} ORDER BY {order}", path / old.name)

    def _fill_new_rows(self, model: Model) -> None:
        """As a temporary table, which DuckDB doesn't compress."""
        self._fill(NEW_ROWS, model, "TEMP ")

    def _fill(self, table: str, model: Model, kind: str = "") -> None:
        first, *others = model.slices(self.slices)
        self._run(f"CREATE OR REPLACE {kind}TABLE {table} AS ({first}\n)")
        for sql in others:
            self._run(f"INSERT INTO {table} BY NAME ({sql}\n)")

    def _copy(self, rows: str, path: Path) -> None:
        to = f"{_text(path)} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE true)"
        self._run(f"COPY ({rows}) TO {to}")

    def _run(self, sql: str) -> None:
        self.connection.execute(sql)


def _fingerprints(table: str, part: str) -> str:
    """What equal parts of a table have in common, in any order of their rows."""
    return (
        f"SELECT {part} AS part, count(*), sum(CAST(hash(*COLUMNS(*)) AS HUGEINT)), "
        f"bit_xor(hash('again', *COLUMNS(*))) FROM {table} GROUP BY part"
    )


def _link(file: Path, to: Path) -> None:
    """Share a file; on a disk without hard links, copy it."""
    try:
        to.hardlink_to(file)
    except OSError as error:
        if error.errno not in NOT_LINKED:
            raise
        shutil.copyfile(file, to)


def _parquet(path: Path) -> str:
    return f"read_parquet({_text(path)})"


def _text(path: Path) -> str:
    quoted = str(path.resolve()).replace("'", "''")
    return f"'{quoted}'"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)
