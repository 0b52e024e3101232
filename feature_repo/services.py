"""Feature services: each has the views whose marts name it in their dbt YAML."""

from collections.abc import Iterable
from itertools import combinations

from feature_repo.views import features_of, view_spec
from penchant.errors import DataError
from penchant.feast_sdk import FeatureService, FeatureView
from penchant.manifest import Mart

DESCRIPTIONS = {
    "ranking": "Features of the ranking model.",
    "portrait": "A user's interests and behaviour.",
    "insights": "What was predicted of items and users on an earlier snapshot.",
    "response": "Features of the response models, online and in training sets.",
}


def feature_services(marts: Iterable[Mart], views: Iterable[FeatureView]) -> list[FeatureService]:
    """One service for each name under ``feature_view.services``.

    Raises DataError for an unknown service, and for a service with two features of the same name,
    which short names could not distinguish.
    """
    view_of = {view.name: view for view in views}
    members: dict[str, list[Mart]] = {name: [] for name in DESCRIPTIONS}
    for mart in marts:
        for service in view_spec(mart).services:
            if service not in members:
                raise DataError(
                    f"mart {mart.name}: unknown feature service {service!r}",
                    f"use one of {', '.join(DESCRIPTIONS)}, or add it to feature_repo/services.py",
                )
            members[service].append(mart)
    for name, of_service in members.items():
        _require_unique_names(name, of_service)
    return [
        FeatureService(
            name=name,
            features=[view_of[mart.name] for mart in of_service],
            description=DESCRIPTIONS[name],
        )
        for name, of_service in members.items()
        if of_service
    ]


def _require_unique_names(service: str, marts: list[Mart]) -> None:
    for one, other in combinations(marts, 2):
        both = {c.name for c in features_of(one)} & {c.name for c in features_of(other)}
        if both:
            raise DataError(
                f"feature service {service} has {', '.join(sorted(both))} twice: "
                f"from mart {one.name} and from mart {other.name}",
                "rename the column in one of the two marts",
            )
