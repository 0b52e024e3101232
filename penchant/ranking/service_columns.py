"""Which columns the ranking model reads: those of the feature service ``ranking``.

They come from the marts' YAML, as the Feast views do (feature_repo/views.py): a column that an
analyst adds is a feature of the next training run.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from penchant.errors import DataError
from penchant.manifest import Column, Mart
from penchant.ranking.features import FeatureColumn, Kind

SERVICE = "ranking"
KINDS: dict[str, Kind] = {
    "BIGINT": "number",
    "BOOLEAN": "number",
    "DOUBLE": "number",
    "FLOAT": "number",
    "INTEGER": "number",
    "TIMESTAMP": "time",
    "VARCHAR": "text",
}
"""DuckDB types that the model can read; arrays are left to the services."""
JOIN_KEYS = {
    "user": "user_id",
    "item": "item_id",
    "category": "category",
    "leaf_category": "leaf_category",
}
CATEGORY_LEVELS = {
    "category": ("category_1",),
    "leaf_category": ("category_3", "category_2", "category_1"),
}
"""The columns of the mart ``items`` that a join key of a category is the first known of."""


@dataclass(frozen=True)
class ServiceView:
    """A view of the service. ``keys``: its join keys. ``ttl_days``: 0 where rows never expire."""

    name: str
    keys: tuple[str, ...]
    timestamp: str
    ttl_days: int
    columns: tuple[FeatureColumn, ...]


def service_views(marts: Iterable[Mart], service: str = SERVICE) -> tuple[ServiceView, ...]:
    """The views of a service with the columns that a model can read, in the order of the marts.

    Raises DataError for an entity without a join key here, and for a half-life that isn't positive.
    """
    return tuple(
        _view(mart, mart.meta["feature_view"])
        for mart in marts
        if service in mart.meta.get("feature_view", {}).get("services", ())
    )


def service_features(marts: Iterable[Mart], service: str = SERVICE) -> tuple[str, ...]:
    """``view__feature`` of all features of a service, also those that a model can't read."""
    found = []
    for mart in marts:
        meta = mart.meta.get("feature_view", {})
        if service in meta.get("services", ()):
            keys = {JOIN_KEYS.get(entity) for entity in meta["entities"]} | {meta["timestamp"]}
            found += [
                f"{mart.name}__{column.name}"
                for column in mart.columns
                if column.name not in keys and column.meta.get("online", True)
            ]
    return tuple(found)


def _view(mart: Mart, meta: dict[str, Any]) -> ServiceView:
    unknown = [entity for entity in meta["entities"] if entity not in JOIN_KEYS]
    if unknown:
        raise DataError(
            f"mart {mart.name}: the ranking model has no entity {', '.join(map(repr, unknown))}",
            f"use {', '.join(JOIN_KEYS)}, or take the mart out of the service {SERVICE}",
        )
    keys = tuple(JOIN_KEYS[entity] for entity in meta["entities"])
    return ServiceView(
        mart.name,
        keys,
        meta["timestamp"],
        meta.get("ttl_days") or 0,
        tuple(
            _column(mart, column)
            for column in mart.columns
            if column.type in KINDS
            and column.name not in {*keys, meta["timestamp"]}
            and column.meta.get("online", True)
        ),
    )


def _column(mart: Mart, column: Column) -> FeatureColumn:
    half_life = column.meta.get("half_life_days")
    if half_life is None:
        return FeatureColumn(mart.name, column.name, KINDS[column.type])
    if not isinstance(half_life, int | float) or half_life <= 0 or KINDS[column.type] != "number":
        raise DataError(
            f"mart {mart.name}, column {column.name}: half_life_days must be a positive number of "
            f"a numeric column, got {half_life!r} for {column.type}",
            f"correct it in the YAML of {mart.name}",
        )
    return FeatureColumn(mart.name, column.name, "decayed", float(half_life))
