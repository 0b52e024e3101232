"""The routes under ``/v1``: what services ask, and what they tell.

Every answer names the generation that it is of. What is recommended is logged as shown, with the
impression ids that the answer names: an event that gives one back is what it led to.
"""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from penchant.feedback import FeedbackLog
from penchant.serving.access import Access
from penchant.serving.feedback_events import Events, Id
from penchant.serving.portrait import Portrait
from penchant.serving.reader import MOST, Answer, Item, Reader
from penchant.settings import Settings


class RecommendedItem(BaseModel):
    """``score`` compares only within its answer."""

    item_id: str
    title: str
    category: str | None
    score: float
    impression_id: str


class Recommendations(BaseModel):
    """Best first. ``origin``: what ranked them; ``policy``: what chose to show them so."""

    user_id: str
    origin: str
    policy: str
    generation_id: str
    snapshot_id: str
    slate_id: str
    items: list[RecommendedItem]


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


class Received(BaseModel):
    """The events are on the disk."""

    received: int


def routes(settings: Settings, access: Access) -> APIRouter:
    """The router; its reader follows the live generation."""
    router = APIRouter(prefix="/v1")
    reader, log = Reader(settings), FeedbackLog.of(settings)

    @router.get("/recommendations", dependencies=[Depends(access.needs("recommendations:read"))])
    def recommendations(
        user_id: Annotated[Id, Query()],
        k: Annotated[int, Query(ge=1, le=MOST)] = 10,
        placement: Annotated[Id, Query(description="where it is shown")] = "home",
    ) -> Recommendations:
        """What a shopper would like; for one who is not known, what is popular."""
        answer = reader.recommend(user_id, k)
        shown = _shown(answer, placement)
        log.append("propensities", shown["propensities"])
        log.append("impressions", shown["impressions"])
        items = [
            RecommendedItem(**_fields(item), impression_id=impression["impression_id"])
            for item, impression in zip(answer.items, shown["impressions"], strict=True)
        ]
        return Recommendations(
            user_id=user_id,
            origin=answer.origin,
            policy=answer.origin,
            generation_id=answer.generation_id,
            snapshot_id=answer.snapshot_id,
            slate_id=shown["slate_id"],
            items=items,
        )

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
            items=[SimilarItem(**_fields(item)) for item in answer.items],
        )

    @router.get("/portrait", dependencies=[Depends(access.needs("features:read"))])
    def portrait(user_id: Annotated[Id, Query()]) -> Portrait:
        """What a shopper is interested in, how surely, and the segment they are in."""
        return reader.portrait(user_id)

    @router.post(
        "/events",
        status_code=HTTPStatus.ACCEPTED,
        dependencies=[Depends(access.needs("events:write"))],
    )
    def events(posted: Events) -> Received:
        """Keep what shoppers did. Sending an event again does no harm: it counts once."""
        received_at = datetime.now(UTC).replace(tzinfo=None)
        log.append("events", [event.row(received_at) for event in posted.events])
        return Received(received=len(posted.events))

    return router


def _shown(answer: Answer, placement: str) -> dict[str, Any]:
    """The log's rows of an answer. A ranker shows its first k always: with probability one."""
    slate_id, shown_at = str(uuid4()), datetime.now(UTC).replace(tzinfo=None)
    impressions = [
        {
            "impression_id": f"{slate_id}-{position}",
            "slate_id": slate_id,
            "user_id": answer.asked,
            "item_id": item.item_id,
            "ad_id": None,
            "placement": placement,
            "position": position,
            "policy": answer.origin,
            "propensity": 1.0,
            "context": None,
            "generation_id": answer.generation_id,
            "shown_at": shown_at,
        }
        for position, item in enumerate(answer.items)
    ]
    propensities = [
        {
            "slate_id": slate_id,
            "position": position,
            "candidate_id": item.item_id,
            "propensity": 1.0,
        }
        for position, item in enumerate(answer.items)
    ]
    return {"slate_id": slate_id, "impressions": impressions, "propensities": propensities}


def _fields(item: Item) -> dict[str, Any]:
    return {
        "item_id": item.item_id,
        "title": item.title,
        "category": item.category,
        "score": item.score,
    }
