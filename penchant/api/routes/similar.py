"""``GET /v1/similar``: items similar to an item."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from penchant.api.auth.access import RequireScope
from penchant.api.http.problems import UNKNOWN_ITEM
from penchant.api.http.serialized import serialized
from penchant.api.http.services import AppServices
from penchant.api_schemas import SimilarItem, SimilarItems, SimilarItemsQuery

router = APIRouter(tags=["recommendations"])


@router.get(
    "/v1/similar",
    summary="Find items similar to an item",
    responses=UNKNOWN_ITEM,
    dependencies=[Depends(RequireScope("recommendations:read"))],
)
@serialized
def similar(query: Annotated[SimilarItemsQuery, Query()], services: AppServices) -> SimilarItems:
    """Nearest items by cosine similarity of item vectors."""
    answer = services.recommendations.similar(query.item_id, query.k, query.category)
    return SimilarItems(
        item_id=query.item_id,
        release_id=answer.release_id,
        snapshot_id=answer.snapshot_id,
        items=[SimilarItem(**vars(item)) for item in answer.items],
    )
