"""Feature services: the uses that services have, each with the views that say they belong to it."""

from collections.abc import Iterable
from itertools import combinations

from feature_repo.views import features_of, view_spec
from penchant.errors import DataError
from penchant.feast_sdk import FeatureService, FeatureView
from penchant.manifest import Mart

DESCRIPTIONS = {
    "ranking": "What orders items for a user.",
    "portrait": "What a user is like and interested in.",
    "response": "What tells whether a user answers an offer; training sets are made with it.",
}


def feature_services(marts: Iterable[Mart], views: Iterable[FeatureView]) -> list[FeatureService]:
    """One service for each name found under ``feature_view.services``.

    Raises DataError for a service that is not known here, and for one that would hold two features
    of one name: a reader who asks for short names could not tell them apart.
    """
    view_of = {view.name: view for view in views}
    members: dict[str, list[Mart]] = {name: [] for name in DESCRIPTIONS}
    for mart in marts:
        for service in view_spec(mart).services:
            if service not in members:
                raise DataError(
                    f"mart {mart.name}: no feature service is called {service!r}",
                    f"use one of {', '.join(DESCRIPTIONS)}, or add it to feature_repo/services.py",
                )
            members[service].append(mart)
    for name, of_service in members.items():
        _refuse_equal_names(name, of_service)
    return [
        FeatureService(
            name=name,
            features=[view_of[mart.name] for mart in of_service],
            description=DESCRIPTIONS[name],
        )
        for name, of_service in members.items()
        if of_service
    ]


def _refuse_equal_names(service: str, marts: list[Mart]) -> None:
    for one, other in combinations(marts, 2):
        both = {c.name for c in features_of(one)} & {c.name for c in features_of(other)}
        if both:
            raise DataError(
                f"service {service} would have {', '.join(sorted(both))} twice: "
                f"from mart {one.name} and from mart {other.name}",
                "rename the column in one of the two marts",
            )
