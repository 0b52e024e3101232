"""Feature views, derived from the feature marts in dbt's manifest.

No schema is written here: a column added to a mart's SQL and YAML becomes a feature when the next
snapshot is materialized.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from feature_repo.entities import ENTITIES
from penchant.errors import DataError
from penchant.feast_sdk import (
    Array,
    Bool,
    FeastType,
    FeatureView,
    Field,
    FileSource,
    Float32,
    Float64,
    Int32,
    Int64,
    String,
    UnixTimestamp,
)
from penchant.manifest import PII_CLASSES, Column, Mart

FEAST_TYPES: dict[str, FeastType] = {
    "BIGINT": Int64,
    "BOOLEAN": Bool,
    "DOUBLE": Float64,
    "FLOAT": Float32,
    "INTEGER": Int32,
    "TIMESTAMP": UnixTimestamp,
    "VARCHAR": String,
}
"""DuckDB scalar types with an exact Feast type; arrays ``T[]`` of each are allowed too."""

PII_TAG = "pii"
"""Tag with the PII class of a field; a view has the class of its most personal feature."""


@dataclass(frozen=True)
class ViewSpec:
    """``config.meta.feature_view`` of a mart: what Feast needs beyond the columns."""

    entities: tuple[str, ...]
    timestamp: str
    ttl: timedelta
    online: bool
    services: tuple[str, ...]


def feature_marts(marts: Iterable[Mart]) -> tuple[Mart, ...]:
    """The marts that become feature views."""
    return tuple(mart for mart in marts if mart.has_features and "feature_view" in mart.meta)


def view_spec(mart: Mart) -> ViewSpec:
    """Read a mart's ``feature_view``. Raises DataError for a missing key or an unknown entity.

    Without ``ttl_days``, or with 0, rows never expire.
    """
    meta = mart.meta["feature_view"]
    missing = [key for key in ("entities", "timestamp", "online", "services") if key not in meta]
    if missing:
        raise DataError(
            f"mart {mart.name}: config.meta.feature_view has no {', '.join(missing)}",
            f"add it to {mart.name} in the YAML of dbt/models/marts/features",
        )
    unknown = [entity for entity in meta["entities"] if entity not in ENTITIES]
    if unknown:
        raise DataError(
            f"mart {mart.name}: unknown entity {', '.join(map(repr, unknown))}",
            f"use one of {', '.join(sorted(ENTITIES))}, or add it to feature_repo/entities.py",
        )
    if meta["services"] and not meta["online"]:
        raise DataError(
            f"mart {mart.name}: `online: false`, but in the services {', '.join(meta['services'])}",
            f"in the YAML of {mart.name} set `online: true`, or `services: []`",
        )
    return ViewSpec(
        entities=tuple(meta["entities"]),
        timestamp=meta["timestamp"],
        ttl=timedelta(days=meta.get("ttl_days") or 0),
        online=meta["online"],
        services=tuple(meta["services"]),
    )


def features_of(mart: Mart) -> tuple[Column, ...]:
    """The columns that are features: no key, no timestamp, not marked ``online: false``."""
    spec = view_spec(mart)
    keys = {ENTITIES[name].join_key for name in spec.entities}
    return tuple(
        column
        for column in mart.columns
        if column.name not in keys | {spec.timestamp} and column.meta.get("online", True)
    )


def feature_view(mart: Mart, parquet: Path, time_as: str | None = None) -> FeatureView:
    """The feature view of a mart, read from ``parquet``. Raises DataError for unsupported types.

    ``time_as`` names a column of ``parquet`` that repeats the row's time, to add it as a feature:
    Feast does not return the time with historical features.
    """
    spec = view_spec(mart)
    entities = [ENTITIES[name] for name in spec.entities]
    keys = [mart.column(entity.join_key) for entity in entities]
    return FeatureView(
        name=mart.name,
        entities=entities,
        ttl=spec.ttl,
        schema=[_field(mart, column) for column in (*keys, *features_of(mart))]
        + ([Field(name=time_as, dtype=UnixTimestamp)] if time_as else []),
        source=FileSource(name=mart.name, path=str(parquet), timestamp_field=spec.timestamp),
        online=spec.online,
        description=mart.description,
        owner=str(mart.meta.get("owner", "")),
        tags={"owner": str(mart.meta.get("owner", "")), PII_TAG: _pii(mart)},
    )


def source_of(view: FeatureView) -> FileSource:
    """The Parquet source of a view made by ``feature_view``."""
    assert isinstance(view.batch_source, FileSource)
    return view.batch_source


def feast_type(mart: Mart, column: Column) -> FeastType:
    """The Feast type of a column. Raises DataError naming mart and column when there is none."""
    element = column.type.removesuffix("[]")
    if element not in FEAST_TYPES:
        raise DataError(
            f"mart {mart.name}, column {column.name}: Feast has no type for {column.type}",
            f"cast it to one of {', '.join(FEAST_TYPES)}, or an array such as BIGINT[]",
        )
    scalar = FEAST_TYPES[element]
    return Array(scalar) if column.type.endswith("[]") else scalar


def _field(mart: Mart, column: Column) -> Field:
    return Field(
        name=column.name,
        dtype=feast_type(mart, column),
        description=column.description,
        tags={PII_TAG: column.pii},
    )


def _pii(mart: Mart) -> str:
    classes = {column.pii for column in features_of(mart)}
    return max(classes, key=PII_CLASSES.index, default=PII_CLASSES[0])
