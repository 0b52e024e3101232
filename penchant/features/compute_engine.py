"""A Feast compute engine that materializes whole columns from DuckDB to the online store.

Feast's local engine converts every value row by row through pandas: 20 s of CPU for the 185,246
entities of Complete Journey, against 6 s here. Both write the same, except for null timestamps,
which Feast's engine writes as second -2**63.
"""

from pathlib import Path
from typing import Any, Literal

import ibis
from pydantic import BaseModel

from feature_repo.views import source_of
from penchant.encryption.duckdb_connection import register
from penchant.encryption.file_system import PREFIX
from penchant.encryption.keyring import home_of
from penchant.feast_sdk import (
    ComputeEngine,
    FileSource,
    LocalMaterializationJob,
    MaterializationJobStatus,
)
from penchant.features.online_store import WideSqliteOnlineStore


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
        source = _readable(source_of(view))
        latest = self.offline_store.pull_latest_from_table_or_query(
            config=self.repo_config,
            data_source=source,
            join_key_columns=[column.name for column in view.entity_columns],
            feature_name_columns=[feature.name for feature in view.features],
            timestamp_field=source.timestamp_field,
            created_timestamp_column=None,
            start_date=task.start_time,
            end_date=task.end_time,
        )
        self.online_store.write_table(self.repo_config, view, latest.to_arrow())
        return LocalMaterializationJob(view.name, MaterializationJobStatus.SUCCEEDED)


def _readable(source: FileSource) -> FileSource:
    """The source as Feast's DuckDB reads it: by another path in an encrypted home."""
    if home_of(Path(source.path)) is None:
        return source
    register(ibis.get_backend().con)  # the database that Feast reads files with
    return FileSource(path=f"{PREFIX}{source.path}", timestamp_field=source.timestamp_field)
