"""A Great Expectations datasource for DuckDB.

GX's generic SQL engine closes its connection before it reads the result, which then is empty with
DuckDB (great_expectations#10738); the engine here keeps one connection open. Importing this module
registers the datasource: ``context.data_sources.add_duckdb(...)``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import sqlalchemy
from duckdb_engine import ConnectionWrapper
from great_expectations.datasource.fluent import SQLDatasource
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from sqlalchemy import event
from sqlalchemy.pool import Pool

from penchant.encryption.duckdb_connection import register


class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):
    """Runs every query of a validation on one connection."""

    @contextmanager
    def get_connection(self) -> Iterator[sqlalchemy.Connection]:
        if self._connection is None:
            self._connection = self.engine.connect()
        yield self._connection


@event.listens_for(Pool, "connect")
def _read_encrypted_files(opened: object, _: object) -> None:
    """Views may be on the files of an encrypted home. GX opens engines of its own."""
    if isinstance(opened, ConnectionWrapper):
        register(opened)  # type: ignore[arg-type]  # it passes calls on to the connection


EngineType = type[SqlAlchemyExecutionEngine]  # named here: inside the class, ``type`` is a field


class DuckDBDatasource(SQLDatasource):
    """The tables and views of a DuckDB file."""

    type: Literal["duckdb"] = "duckdb"  # type: ignore[assignment]

    @property
    def execution_engine_type(self) -> EngineType:
        return DuckDBExecutionEngine


def read_only_url(database: Path, threads: int) -> str:
    """SQLAlchemy URL of a DuckDB file. Above 1 GB, DuckDB spills beside the file."""
    return f"duckdb:///{database}?access_mode=READ_ONLY&threads={threads}&memory_limit=1GB"
