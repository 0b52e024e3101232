"""The rows of single users in a landed batch: listing, reading and removing them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from penchant.encryption.duckdb_connection import written
from penchant.ingestion.landing.reading import identifier, literal
from penchant.storage import STAGING_PREFIX, sync

if TYPE_CHECKING:
    import pyarrow as pa


def users_of(connection: duckdb.DuckDBPyConnection, parquet: Path, column: str) -> list[str]:
    """The distinct ids in a column, as text."""
    query = f"SELECT DISTINCT {_text(column)} FROM {_relation(parquet)} WHERE {_text(column)} <> ''"
    return [row[0] for row in connection.execute(query).fetchall()]


def users_where(
    connection: duckdb.DuckDBPyConnection, parquet: Path, column: str, condition: str
) -> set[str]:
    """The distinct ids in a column, of the rows of which an SQL condition is true."""
    query = f"SELECT DISTINCT {_text(column)} FROM {_relation(parquet)} WHERE {condition}"
    return {row[0] for row in connection.execute(query).fetchall() if row[0] is not None}


def count_where(connection: duckdb.DuckDBPyConnection, parquet: Path, condition: str) -> int:
    """The number of rows of which an SQL condition is true."""
    count = f"SELECT count(*) FROM {_relation(parquet)} WHERE {condition}"
    return int(connection.execute(count).fetchall()[0][0])


def rows_of(
    connection: duckdb.DuckDBPyConnection, parquet: Path, column: str, values: Sequence[str]
) -> "pa.Table":
    """The rows with one of ``values``, as text, in a column."""
    query = f"SELECT * FROM {_relation(parquet)} WHERE {is_one_of(column, values)}"
    return connection.sql(query).to_arrow_table()


def remove_rows(
    connection: duckdb.DuckDBPyConnection, parquet: Path, column: str, values: Sequence[str]
) -> int:
    """Remove these rows and return their number; the file is replaced whole, in the same order."""
    return remove_where(connection, parquet, is_one_of(column, values))


def remove_where(connection: duckdb.DuckDBPyConnection, parquet: Path, condition: str) -> int:
    """``remove_rows`` for the rows of which an SQL condition is true."""
    removed = count_where(connection, parquet, condition)
    if removed:
        staging = parquet.with_name(f"{STAGING_PREFIX}{parquet.name}")
        connection.execute(
            f"COPY (SELECT * FROM {_relation(parquet)} WHERE ({condition}) IS NOT TRUE) "
            f"TO {written(staging)} (FORMAT parquet, COMPRESSION snappy)"
        )
        sync(staging)
        staging.replace(parquet)
        sync(parquet.parent)
    return removed


def _relation(parquet: Path) -> str:
    return f"read_parquet({literal(str(parquet))}, hive_partitioning := false)"


def _text(column: str) -> str:
    return f"CAST({identifier(column)} AS VARCHAR)"


def is_one_of(column: str, values: Sequence[str]) -> str:
    """SQL that is true where a column has, as text, one of the values; false for none.

    Constants, unlike a list, are compared while the file is read: its other columns are read only
    where a row is found.
    """
    return f"{_text(column)} IN ({', '.join(map(literal, values))})" if values else "false"
