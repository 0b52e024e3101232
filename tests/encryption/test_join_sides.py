"""A few rows are looked up in a mart in parts, whose first is empty, without hashing the mart."""

import json
from pathlib import Path

import duckdb
import pytest

from penchant.encryption.duckdb_connection import hash_right_sides


@pytest.fixture
def mart(tmp_path: Path) -> Path:
    for part, rows in enumerate((0, 5_000)):
        duckdb.execute(f"COPY (FROM range({rows}) AS n(key)) TO '{tmp_path}/{part}.parquet'")
    return tmp_path / "*.parquet"


def test_the_few_rows_are_hashed(mart: Path) -> None:
    with duckdb.connect() as connection:
        hash_right_sides(connection)
        connection.execute("CREATE TEMP TABLE few AS SELECT 3::BIGINT AS key")
        query = f"SELECT * FROM read_parquet('{mart}') JOIN few USING (key)"
        assert connection.execute(query).fetchall() == [(3,)]
        ((_, plan),) = connection.execute(f"EXPLAIN (FORMAT json) {query}").fetchall()
    (projection,) = json.loads(plan)
    (join,) = projection["children"]
    read, hashed = join["children"]
    assert read["name"] == "READ_PARQUET"
    assert hashed["extra_info"]["Table"].endswith("few")
