"""A snapshot's Parquet files as views of a DuckDB file."""

from collections.abc import Iterable
from pathlib import Path

import duckdb

FLOATS = frozenset({"DOUBLE", "FLOAT"})
NUMBERS = FLOATS | {"BIGINT", "INTEGER", "HUGEINT", "SMALLINT", "TINYINT"}
PREVIOUS = "previous__"
"""Prefix of the views of the previous snapshot."""


def add_view(connection: duckdb.DuckDBPyConnection, view: str, parquet: Path) -> dict[str, str]:
    """Create ``view`` on a Parquet file; return its columns' names and DuckDB types, in order.

    Raises duckdb.Error when the file is missing or damaged.
    """
    source = str(parquet).replace("'", "''")
    connection.execute(f"create view {quoted(view)} as select * from read_parquet('{source}')")
    return columns_of(connection, view)


def columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """Names and DuckDB types of a table's columns, in order."""
    described = connection.execute(f"describe {quoted(table)}").fetchall()
    return {name: kind for name, kind, *_ in described}


def rows_of(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return connection.execute(f"select count(*) from {quoted(table)}").fetchall()[0][0]


def without_values(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Iterable[str]
) -> frozenset[str]:
    """The columns that are null in every row."""
    names = list(columns)
    if not names:
        return frozenset()
    counts = ", ".join(f"count({quoted(name)})" for name in names)
    found = connection.execute(f"select {counts} from {quoted(table)}").fetchall()[0]
    return frozenset(name for name, count in zip(names, found, strict=True) if not count)


def quoted(identifier: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'
