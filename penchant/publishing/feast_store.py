"""The Feast repository inside a release: declared once, then only read."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from penchant.feast_sdk import (
    Array,
    Bytes,
    Entity,
    FeastType,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    Float32,
    Int64,
    String,
    ValueType,
)
from penchant.features.online_store import WideSqliteOnlineStore
from penchant.features.repository import open_store, write_for_feast
from penchant.releases.release import PUBLISHED_AT, View
from penchant.settings import Settings

READ_AT_ONCE = 5000  # keys looked up by one call of Feast

_TYPES: dict[str, FeastType] = {
    "vector": Array(Float32),
    "numbers": Bytes,
    "scale": Float32,
    "item_ids": Array(String),
    "scores": Array(Float32),
    "event_types": Array(String),
    "event_ats": Array(Int64),
    "quantities": Array(Int64),
    "segment": String,
    "segment_interests": Array(String),
    "transferred": Array(String),
    "transferred_shares": Array(Float32),
    "run_id": String,
}


def create_store(
    settings: Settings, attempt: str, staging: Path, views: tuple[View, ...]
) -> FeatureStore:
    """Lay an empty, writable Feast repository in ``staging``.

    ``attempt`` names its project. Each view's offline source is ``<view>.parquet`` beside it.
    """
    store = open_store(settings, attempt, staging, read_only=False)
    entities = {
        view.entity: Entity(name=view.entity, join_keys=[view.key], value_type=ValueType.STRING)
        for view in views
    }
    declared = [_feast_view(view, entities[view.entity]) for view in views]
    store.apply([*entities.values(), *declared])
    write_for_feast(settings, attempt, staging, store)
    return store


def write_rows(store: FeatureStore, view: View, table: pa.Table) -> None:
    """Write a view's rows: by whole columns where the store is our own."""
    online_store = store._get_provider().online_store
    if isinstance(online_store, WideSqliteOnlineStore):
        online_store.write_table(store.config, store.get_feature_view(view.name), table)
    else:
        store.write_to_online_store(view.name, df=table.to_pandas())


def count_rows(store: FeatureStore, view: View, keys: Sequence[str], run_id: str) -> int:
    """How many of the keys read back as rows of that run."""
    online_store = store._get_provider().online_store
    if isinstance(online_store, WideSqliteOnlineStore):  # whose keys are unique
        feast_view = store.get_feature_view(view.name)
        return online_store.count(store.config, feast_view, run_id=run_id)
    found = 0
    for start in range(0, len(keys), READ_AT_ONCE):
        rows = [{view.key: key} for key in keys[start : start + READ_AT_ONCE]]
        online = store.get_online_features(features=[f"{view.name}:run_id"], entity_rows=rows)
        found += online.to_dict()["run_id"].count(run_id)
    return found


def _feast_view(view: View, entity: Entity) -> FeatureView:
    source = FileSource(name=view.name, path=f"{view.name}.parquet", timestamp_field=PUBLISHED_AT)
    fields = [
        Field(name=view.key, dtype=String),
        *(Field(name=column, dtype=_TYPES[column]) for column in view.columns),
    ]
    return FeatureView(name=view.name, entities=[entity], schema=fields, source=source, online=True)
