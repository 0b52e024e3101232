"""The latest rows of a feature view, read from its Parquet file."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb

from feature_repo.entities import USER
from penchant.feast_sdk import FeatureView, Field, FileSource, Float32, String
from penchant.features.compute_engine import latest_rows


def test_features_may_have_the_names_of_sql_keywords(tmp_path: Path) -> None:
    mart = tmp_path / "mart.parquet"
    duckdb.sql(
        'SELECT \'u1\' AS user_id, n::FLOAT AS "order", n::FLOAT AS "Net spend",'
        " TIMESTAMP '2018-01-01' + n * INTERVAL 1 DAY AS \"end\" FROM range(5) AS days(n)"
    ).write_parquet(str(mart))
    view = FeatureView(
        name="mart",
        entities=[USER],
        schema=[
            Field(name="user_id", dtype=String),
            Field(name="order", dtype=Float32),
            Field(name="Net spend", dtype=Float32),
        ],
        source=FileSource(name="mart", path=str(mart), timestamp_field="end"),
    )
    start, end = (datetime(2018, 1, day, tzinfo=UTC) for day in (1, 4))
    rows = latest_rows(view, start, end).drop(["end"]).to_pylist()
    assert rows == [{"user_id": "u1", "order": 3.0, "Net spend": 3.0}]
