"""Validate feature requests before they reach Feast.

Feast answers an unknown key with a row of nulls and an unknown feature with a stack trace.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from feature_repo.views import PII_TAG
from penchant.errors import UsageError
from penchant.feast_sdk import FeatureService, FeatureStore, FeatureView
from penchant.manifest import PII_CLASSES

Requested = FeatureService | list[str]


def resolve(store: FeatureStore, features: str | list[str]) -> Requested:
    """The service of that name, or checked references. Raises UsageError for unknown names."""
    if isinstance(features, str):
        services = {service.name: service for service in _services(store)}
        if features not in services:
            raise UsageError(
                f"unknown feature service {features!r}", f"use one of {_listed(services)}"
            )
        return services[features]
    if not features:
        raise UsageError(
            "the request has no features",
            "name a feature_service, or features such as user_statistics:spend_28d",
        )
    for reference in features:
        _check_reference(store, reference)
    if twice := {each for each in features if features.count(each) > 1}:
        raise UsageError(f"the request has {_listed(twice)} twice", "name each feature once")
    return list(features)


def require_keys(
    store: FeatureStore, requested: Requested, entities: Mapping[str, Sequence[Any]]
) -> None:
    """Raise UsageError unless ``entities`` has exactly the join keys, as columns of equal length.

    Values must be strings, as ids are.
    """
    wanted = {column.name for view in views_of(store, requested) for column in view.entity_columns}
    missing, unknown = sorted(wanted - set(entities)), sorted(set(entities) - wanted)
    if missing:
        raise UsageError(
            f"missing entity key {_listed(missing)}",
            f"send entities with the keys {_listed(wanted)}",
        )
    if unknown:
        raise UsageError(
            f"unknown entity key {_listed(unknown)}",
            f"send entities with the keys {_listed(wanted)} only",
        )
    if not all(entities.values()):
        raise UsageError("the entities have no values", "send at least one value for each key")
    if len({len(values) for values in entities.values()}) > 1:
        lengths = ", ".join(f"{key}: {len(values)}" for key, values in sorted(entities.items()))
        raise UsageError(
            f"the entity keys have different numbers of values ({lengths})",
            "send one value per key and row",
        )
    for key, values in entities.items():
        for position, value in enumerate(values):
            if not isinstance(value, str):
                raise UsageError(
                    f"{key}[{position}] must be a string, got {value!r}",
                    "put numbers in quotes",
                )


def classes_of(store: FeatureStore, requested: Requested) -> dict[str, str]:
    """The PII class of each requested feature, by its reference.

    A feature without a class was not derived from a manifest and counts as the most personal.
    """
    views = views_of(store, requested)
    tags = {f"{view.name}:{field.name}": field.tags for view in views for field in view.features}
    return {
        reference: tags[reference].get(PII_TAG, PII_CLASSES[-1])
        for reference in _references(requested)
    }


def columnar(rows: list[dict[str, str]]) -> dict[str, list[str]]:
    """Rows as columns. Raises UsageError when the keys of a row differ from those of row 0."""
    for position, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            raise UsageError(
                f"entity row {position} has the keys {_listed(row)}, row 0 has {_listed(rows[0])}",
                "give every row the same keys",
            )
    return {key: [row[key] for row in rows] for key in rows[0]}


def views_of(store: FeatureStore, requested: Requested) -> list[FeatureView]:
    """The views that a request reads."""
    names = (
        [projection.name for projection in requested.feature_view_projections]
        if isinstance(requested, FeatureService)
        else [reference.split(":")[0] for reference in requested]
    )
    views = _online_views(store)
    return [views[name] for name in dict.fromkeys(names)]


def _references(requested: Requested) -> list[str]:
    if not isinstance(requested, FeatureService):
        return requested
    return [
        f"{projection.name}:{field.name}"
        for projection in requested.feature_view_projections
        for field in projection.features
    ]


def _check_reference(store: FeatureStore, reference: str) -> None:
    view_name, colon, feature = reference.partition(":")
    if not colon or not feature:
        raise UsageError(f"{reference!r} is not a feature reference", "write view:feature")
    views = _online_views(store)
    if view_name not in views:
        raise UsageError(f"unknown feature view {view_name!r}", f"use one of {_listed(views)}")
    known = [field.name for field in views[view_name].features]
    if feature not in known:
        raise UsageError(f"view {view_name} has no feature {feature!r}", f"it has {_listed(known)}")


def _services(store: FeatureStore) -> list[FeatureService]:
    return store.registry.list_feature_services(store.project, allow_cache=True)


def _online_views(store: FeatureStore) -> dict[str, FeatureView]:
    views = store.registry.list_feature_views(store.project, allow_cache=True)
    return {view.name: view for view in views if view.online}


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))
