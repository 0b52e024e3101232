"""``GET /v1/recommendations``: items for a user.

The response is logged as shown. Events with one of its impression ids are attributed to it.
"""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from penchant.api.auth.access import (
    RequireScope,
    charge_work,
    require_scope,
    work_of,
    work_of_exploration,
)
from penchant.api.auth.tokens import HISTORY, REASONS, Token
from penchant.api.http.query_route import QueryRoute
from penchant.api.http.repetition import LOGGED
from penchant.api.http.serialized import serialized
from penchant.api.http.services import AppServices
from penchant.api.server.connected import require_connected
from penchant.api_schemas import Recommendations, RecommendationsQuery, RecommendedItem
from penchant.serving.recommending.impressions import log_shown
from penchant.serving.recommending.options import RecommendOptions

router = APIRouter(tags=["recommendations"], route_class=QueryRoute)


@router.get(
    "/v1/recommendations",
    summary="Recommend items to a user",
    openapi_extra=LOGGED,
)
@serialized
def recommendations(
    request: Request,
    query: Annotated[RecommendationsQuery, Query()],
    token: Annotated[Token, Depends(RequireScope("recommendations:read"))],
    services: AppServices,
) -> Recommendations:
    """Personal recommendations; popular items for an unknown user. Reasons name items of the user's
    history: they require the scope `reasons:read` too, and `exclude_bought` requires
    `history:read`."""
    if query.reasons:
        require_scope(request, token, REASONS)
    if query.exclude_bought:
        require_scope(request, token, HISTORY)
    charge_work(request, work_of(query.k, query.reasons, query.diversity))
    options = RecommendOptions(
        exclude_bought=query.exclude_bought,
        exclude=tuple(query.exclude),
        category=query.category,
        price_min=query.price_min,
        price_max=query.price_max,
        diversity=query.diversity,
        reasons=query.reasons,
    )
    answer = services.recommendations.recommend(query.user_id, query.k, options)
    charge_work(request, work_of_exploration(answer.explored))
    require_connected(request)
    now = datetime.now(UTC).replace(tzinfo=None)
    shown = log_shown(services.feedback_log, answer, query.placement, now)
    return Recommendations(
        user_id=query.user_id,
        origin=answer.origin,
        ranked_by=answer.ranked_by,
        fallback=answer.fallback,
        policy=answer.policy,
        release_id=answer.release_id,
        snapshot_id=answer.snapshot_id,
        slate_id=shown.slate_id,
        items=[
            RecommendedItem(**item.as_dict(), impression_id=impression_id)
            for item, impression_id in zip(answer.items, shown.impression_ids, strict=True)
        ],
        reasons_by=answer.reasons_by,
        reasons_withheld=answer.reasons_withheld,
    )
