"""``GET /v1/similar``: the items nearest to an item."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from penchant.serving.http.access import Access
from penchant.serving.http.feedback_events import Id
from penchant.serving.reader import MOST, Item, Reader


class SimilarItem(BaseModel):
    item_id: str
    title: str
    category: str | None
    score: float = Field(description="cosine of the two items' vectors")


class SimilarItems(BaseModel):
    item_id: str
    generation_id: str
    snapshot_id: str
    items: list[SimilarItem]


def add(router: APIRouter, access: Access, reader: Reader) -> None:
    @router.get("/similar", dependencies=[Depends(access.needs("recommendations:read"))])
    def similar(
        item_id: Annotated[Id, Query()], k: Annotated[int, Query(ge=1, le=MOST)] = 10
    ) -> SimilarItems:
        """Items whose vectors are nearest to an item's."""
        answer = reader.similar(item_id, k)
        return SimilarItems(
            item_id=item_id,
            generation_id=answer.generation_id,
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
