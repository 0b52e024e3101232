"""The rows of single users in a landed batch: listing, reading and removing them."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from penchant.ingestion.landing.reading import identifier, literal
from penchant.storage import STAGING_PREFIX, sync


def users_of(connection: duckdb.DuckDBPyConnection, parquet: Path, column: str) -> list[str]:
    """The distinct ids in a column, as text."""
    query = f"SELECT DISTINCT {_text(column)} FROM {_relation(parquet)} WHERE {_text(column)} <> ''"
    return [row[0] for row in connection.execute(query).fetchall()]


def rows_of(
    connection: duckdb.DuckDBPyConnection, parquet: Path, column: str, values: Sequence[str]
) -> pa.Table:
    """The rows with one of ``values``, as text, in a column."""
    query = f"SELECT * FROM {_relation(parquet)} WHERE {_is_one(column)}"
    return connection.sql(query, params=[list(values)]).to_arrow_table()


def remove_rows(
    connection: duckdb.DuckDBPyConnection, parquet: Path, column: str, values: Sequence[str]
) -> int:
    """Remove these rows and return their number; the file is replaced whole, in the same order."""
    count = f"SELECT count(*) FROM {_relation(parquet)} WHERE {_is_one(column)}"
    removed: int = connection.execute(count, [list(values)]).fetchall()[0][0]
    if removed:
        staging = parquet.with_name(f"{STAGING_PREFIX}{parquet.name}")
        connection.execute(
            f"COPY (SELECT * FROM {_relation(parquet)} WHERE {_is_one(column)} IS NOT TRUE) "
            f"TO {literal(str(staging))} (FORMAT parquet, COMPRESSION snappy)",
            [list(values)],
        )
        sync(staging)
        staging.replace(parquet)
        sync(parquet.parent)
    return removed


def _relation(parquet: Path) -> str:
    return f"read_parquet({literal(str(parquet))}, hive_partitioning = false)"


def _text(column: str) -> str:
    return f"CAST({identifier(column)} AS VARCHAR)"


def _is_one(column: str) -> str:
    return f"list_contains(?, {_text(column)})"
