"""``GET /v1/basket``: items that complete a basket."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from penchant.api.auth.access import RequireScope
from penchant.api.http.repetition import LOGGED
from penchant.api.http.services import AppServices
from penchant.api.server.connected import require_connected
from penchant.api_schemas import BasketCompletion, BasketItem, BasketQuery
from penchant.serving.recommending.basket import ANONYMOUS
from penchant.serving.recommending.impressions import log_shown

router = APIRouter(tags=["recommendations"])


@router.get(
    "/v1/basket",
    summary="Complete a basket",
    dependencies=[Depends(RequireScope("recommendations:read"))],
    openapi_extra=LOGGED,
)
def basket(
    request: Request, query: Annotated[BasketQuery, Query()], services: AppServices
) -> BasketCompletion:
    """Items nearest to the mean vector of the basket's items."""
    user_id = query.user_id
    completion = services.recommendations.complete(query.item_id, query.k, user_id or ANONYMOUS)
    answer, slate_id = completion.answer, None
    impression_ids: tuple[str | None, ...] = (None,) * len(answer.items)
    if user_id is not None:
        require_connected(request)
        now = datetime.now(UTC).replace(tzinfo=None)
        shown = log_shown(services.feedback_log, answer, query.placement, now)
        slate_id, impression_ids = shown.slate_id, shown.impression_ids
    return BasketCompletion(
        user_id=user_id,
        origin=answer.origin,
        policy=answer.policy,
        release_id=answer.release_id,
        snapshot_id=answer.snapshot_id,
        slate_id=slate_id,
        ignored=list(completion.ignored),
        items=[
            BasketItem(
                item_id=item.item_id,
                title=item.title,
                category=item.category,
                price=item.price,
                score=item.score,
                impression_id=impression_id,
            )
            for item, impression_id in zip(answer.items, impression_ids, strict=True)
        ],
    )
