"""Which features a token may read: by the ``pii`` class of the column in dbt's YAML.

The class is read from the feature registry of the snapshot that answers.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Request

from penchant.api.auth.audit_context import record_denial
from penchant.api.auth.tokens import FEATURE_SCOPES, Token
from penchant.api.http.problems import HTTPProblem
from penchant.feast_sdk import FeatureStore
from penchant.features.request import Requested, classes_of, require_keys, resolve
from penchant.manifest import PII_CLASSES

MAX_REPORTED_FEATURES = 5


def resolve_readable(
    request: Request,
    token: Token,
    store: FeatureStore,
    features: str | list[str],
    entities: Mapping[str, Sequence[Any]],
) -> Requested:
    """The requested features, if they exist, the token may read them and the entity keys match.

    Raises UsageError, or HTTPProblem as ``require_readable`` does.
    """
    requested = resolve(store, features)
    require_readable(request, token, store, requested)
    require_keys(store, requested, entities)
    return requested


def require_readable(
    request: Request, token: Token, store: FeatureStore, requested: Requested
) -> None:
    """Raise HTTPProblem (403), with the features' names, if the token may not read all of them."""
    readable = {pii for pii, scope in FEATURE_SCOPES.items() if token.allows(scope)}
    classes = classes_of(store, requested)
    denied = [reference for reference, pii in classes.items() if pii not in readable]
    if not denied:
        return
    record_denial(request)
    needed = FEATURE_SCOPES[max((classes[each] for each in denied), key=PII_CLASSES.index)]
    named = ", ".join(denied[:MAX_REPORTED_FEATURES])
    hidden = len(denied) - MAX_REPORTED_FEATURES
    more = f" and {hidden} more" if hidden > 0 else ""
    raise HTTPProblem(
        HTTPStatus.FORBIDDEN,
        f"token {token.id} may not read {named}{more}: they require the scope {needed}",
        remedy=f"request other features, or use a token with the scope {needed}",
    )
