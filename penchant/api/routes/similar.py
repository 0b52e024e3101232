"""``GET /v1/similar``: the items nearest to an item."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from penchant.api.auth.access import Access
from penchant.api.http.event_intake import Id
from penchant.serving.service import MOST, Item, RecommendationService


class SimilarItem(BaseModel):
    item_id: str
    title: str
    category: str | None
    score: float = Field(description="cosine of the two items' vectors")


class SimilarItems(BaseModel):
    item_id: str
    release_id: str
    snapshot_id: str
    items: list[SimilarItem]


def add(router: APIRouter, access: Access, service: RecommendationService) -> None:
    @router.get("/similar", dependencies=[Depends(access.needs("recommendations:read"))])
    def similar(
        item_id: Annotated[Id, Query()], k: Annotated[int, Query(ge=1, le=MOST)] = 10
    ) -> SimilarItems:
        """Items whose vectors are nearest to an item's."""
        answer = service.similar(item_id, k)
        return SimilarItems(
            item_id=item_id,
            release_id=answer.release_id,
            snapshot_id=answer.snapshot_id,
            items=[SimilarItem(**fields(item)) for item in answer.items],
        )


def fields(item: Item) -> dict[str, Any]:
    """What every answer says of an item."""
    return {
        "item_id": item.item_id,
        "title": item.title,
        "category": item.category,
        "score": item.score,
    }
