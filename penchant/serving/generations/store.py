"""The Feast repository inside a generation: declared once, then only read."""

from pathlib import Path

import yaml

from penchant.serving.feast import (
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
from penchant.serving.feature_repository import open_store, repository_config
from penchant.serving.generations.generation import PUBLISHED_AT, Generation, View
from penchant.settings import Settings

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


def open_generation(settings: Settings, generation: Generation) -> FeatureStore:
    """The views of a generation, to read."""
    return open_store(settings, generation.attempt, generation.path)


def create_store(
    settings: Settings, attempt: str, staging: Path, final: Path, views: tuple[View, ...]
) -> FeatureStore:
    """Lay an empty, writable Feast repository in ``staging``, which is to be renamed ``final``.

    ``attempt`` names its project. What it writes down names ``final``: the views' offline source is
    ``<final>/<view>.parquet``.
    """
    config = repository_config(settings, attempt, final)
    (staging / "feature_store.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    store = open_store(settings, attempt, staging, read_only=False)
    entities = {
        view.entity: Entity(name=view.entity, join_keys=[view.key], value_type=ValueType.STRING)
        for view in views
    }
    declared = [_feast_view(view, entities[view.entity], final) for view in views]
    store.apply([*entities.values(), *declared])
    return store


def _feast_view(view: View, entity: Entity, final: Path) -> FeatureView:
    source = FileSource(
        name=view.name, path=str(final / f"{view.name}.parquet"), timestamp_field=PUBLISHED_AT
    )
    fields = [
        Field(name=view.key, dtype=String),
        *(Field(name=column, dtype=_TYPES[column]) for column in view.columns),
    ]
    return FeatureView(name=view.name, entities=[entity], schema=fields, source=source, online=True)
