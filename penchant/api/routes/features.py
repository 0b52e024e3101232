"""``POST /v1/features``: online features of many users or items, by feature service or by name."""

import math
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from penchant.api.auth.access import RequireScope, charge_work
from penchant.api.auth.audit_context import record_entities
from penchant.api.auth.feature_access import resolve_readable
from penchant.api.auth.tokens import FEATURES, Token
from penchant.api.http.repetition import WITHOUT_EFFECT
from penchant.api.http.services import AppServices
from penchant.api_schemas import Features, FeaturesRequest
from penchant.features.request import columnar

router = APIRouter(tags=["features"])


@router.post("/v1/features", summary="Read online features", openapi_extra=WITHOUT_EFFECT)
def features(
    request: Request,
    body: FeaturesRequest,
    token: Annotated[Token, Depends(RequireScope(FEATURES))],
    services: AppServices,
) -> Features:
    """Online features of up to 500 entities, all from one snapshot."""
    record_entities(request, len(body.entities))
    charge_work(request, len(body.entities) / 50)
    opened, entities = services.features.current(), columnar(body.entities)
    requested = resolve_readable(request, token, opened.store, body.selection, entities)
    answer = opened.store.get_online_features(
        features=requested, entity_rows=entities, full_feature_names=True
    ).to_dict()
    names = sorted(answer, key=lambda name: (name not in entities, name))
    return Features(
        snapshot_id=opened.snapshot_id,
        rows=[
            {name: _json_value(answer[name][row]) for name in names}
            for row in range(len(body.entities))
        ],
    )


def _json_value(value: Any) -> Any:
    """Times with their UTC offset; null for NaN and infinity, which JSON lacks."""
    if isinstance(value, list):
        return [_json_value(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return value
