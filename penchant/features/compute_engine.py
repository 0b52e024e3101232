"""A Feast compute engine that materializes whole columns from DuckDB to the online store.

Feast's local engine converts every value row by row through pandas: 20 s of CPU for the 185,246
entities of Complete Journey, against 6 s here. Both write the same, except for null timestamps,
which Feast's engine writes as second -2**63.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel

from feature_repo.views import source_of
from penchant.encryption.duckdb_connection import connect, hash_right_sides
from penchant.feast_sdk import (
    ComputeEngine,
    FeatureView,
    LocalMaterializationJob,
    MaterializationJobStatus,
)
from penchant.features.online_store import WideSqliteOnlineStore
from penchant.features.user_rows import quoted


class ColumnarComputeEngineConfig(BaseModel):
    """No options."""

    type: Literal["penchant.features.compute_engine.ColumnarComputeEngine"]


class ColumnarComputeEngine(ComputeEngine):
    """Materializes each entity's latest row into ``WideSqliteOnlineStore``."""

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to prepare."""

    def teardown_infra(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to remove."""

    def _materialize_one(self, registry: Any, task: Any, **kwargs: Any) -> LocalMaterializationJob:
        assert isinstance(self.online_store, WideSqliteOnlineStore)
        view = task.feature_view
        latest = latest_rows(view, task.start_time, task.end_time)
        self.online_store.write_table(self.repo_config, view, latest)
        return LocalMaterializationJob(view.name, MaterializationJobStatus.SUCCEEDED)


def latest_rows(view: FeatureView, start: datetime, end: datetime) -> pa.Table:
    """Each entity's latest row in ``[start, end]``: keys, features and time, which are unique
    together in a checked snapshot.

    A join holds the keys alone in memory, where a window holds whole rows. Feast's DuckDB store
    reads the same through ibis, whose import takes a second.
    """
    source = source_of(view)
    time = quoted(source.timestamp_field)
    keys = [quoted(column.name) for column in view.entity_columns]
    columns = [*keys, *(quoted(feature.name) for feature in view.features), time]
    since, until = (each.astimezone(UTC).replace(tzinfo=None) for each in (start, end))
    with connect(Path(source.path)) as connection:
        hash_right_sides(connection)
        return connection.sql(
            f"SELECT {', '.join(columns)} FROM read_parquet($path) JOIN ("
            f"SELECT {', '.join(keys)}, max({time}) AS {time} FROM read_parquet($path) "
            f"WHERE {time} BETWEEN $since AND $until GROUP BY {', '.join(keys)}"
            f") USING ({', '.join([*keys, time])})",
            params={"path": source.path, "since": since, "until": until},
        ).to_arrow_table()
