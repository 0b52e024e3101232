"""Which features a token may read: by the class that dbt's YAML gives a column.

The class comes with the feature, from the registry of the snapshot that answers; it is written
nowhere else.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Request

from penchant.api.auth.audit_context import denied
from penchant.api.auth.tokens import FEATURE_SCOPES, Token
from penchant.api.http.problems import Refused
from penchant.feast_sdk import FeatureStore
from penchant.features.request import Requested, classes_of, require_keys, resolve
from penchant.manifest import PII_CLASSES

MOST_NAMED = 5  # features in one refusal


def readable(
    request: Request,
    token: Token,
    store: FeatureStore,
    features: str | list[str],
    entities: Mapping[str, Sequence[Any]],
) -> Requested:
    """What is asked for, once it is sure that it exists, that the token may read it and that the
    keys fit. Raises UsageError, or Refused as ``require_readable`` does."""
    chosen = resolve(store, features)
    require_readable(request, token, store, chosen)
    require_keys(store, chosen, entities)
    return chosen


def require_readable(
    request: Request, token: Token, store: FeatureStore, requested: Requested
) -> None:
    """Raise Refused (403), with the features' names, where some say more of a person than the
    token may read."""
    may = {pii for pii, scope in FEATURE_SCOPES.items() if token.may(scope)}
    classes = classes_of(store, requested)
    above = [reference for reference, pii in classes.items() if pii not in may]
    if not above:
        return
    denied(request)
    needed = FEATURE_SCOPES[max((classes[each] for each in above), key=PII_CLASSES.index)]
    more = f" and {len(above) - MOST_NAMED} more" if len(above) > MOST_NAMED else ""
    raise Refused(
        HTTPStatus.FORBIDDEN,
        f"token {token.id} may not read {', '.join(above[:MOST_NAMED])}{more}: "
        f"that needs the scope {needed}",
        remedy=f"ask for features without these, or for a token with the scope {needed}",
    )
