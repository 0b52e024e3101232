"""Rows of a Parquet file by ranges of a key, so that those of all users are never in memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from penchant.encryption.duckdb_connection import connect, parquet_relation

RANGE = "BETWEEN $first AND $last"
"""The condition on the key, in the query of ``in_parts``."""


def in_parts(path: Path, key: str, query: str, rows: int) -> Iterator[pa.Table]:
    """The results of a query on the view ``source`` of a Parquet file, one for each range of keys,
    in ascending order; one without rows for a file without keys.

    ``rows``: of the file in a range, or those of one key where it has more. Rows without a key are
    in no range.
    """
    with connect(path) as connection:
        connection.execute("SET threads = 1")
        parquet_relation(connection, path).create_view("source")
        counts = connection.sql(
            f"SELECT {key}, count(*) AS rows FROM source WHERE {key} IS NOT NULL "
            f"GROUP BY {key} ORDER BY {key}"
        ).to_arrow_table()
        for first, last in _ranges(counts, rows):
            found = connection.sql(query, params={"first": first, "last": last})
            yield found.to_arrow_table()


def _ranges(counts: pa.Table, rows: int) -> Iterator[tuple[str, str]]:
    """The first and the last key of each range. ``counts``: of rows by key, sorted."""
    keys, count_K = counts[0], counts["rows"].to_numpy()
    range_K = (np.cumsum(count_K) - count_K) // rows
    starts = np.flatnonzero(np.diff(range_K, prepend=-1)).tolist()
    for start, end in zip(starts, [*starts[1:], len(keys)], strict=True):
        yield keys[start].as_py(), keys[end - 1].as_py()
    if not starts:
        yield "", ""
