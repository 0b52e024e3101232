"""``GET /v1/recommendations``: what a shopper would like.

What is recommended is logged as shown, with the impression ids that the answer names: an event that
gives one back is what it led to.
"""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from penchant.feedback import FeedbackLog
from penchant.serving.http.access import Access
from penchant.serving.http.feedback_events import Id
from penchant.serving.http.v1.similar import fields
from penchant.serving.reader import MOST, Answer, Reader


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


def add(router: APIRouter, access: Access, reader: Reader, log: FeedbackLog) -> None:
    @router.get("/recommendations", dependencies=[Depends(access.needs("recommendations:read"))])
    def recommendations(
        user_id: Annotated[Id, Query()],
        k: Annotated[int, Query(ge=1, le=MOST)] = 10,
        placement: Annotated[Id, Query(description="where it is shown")] = "home",
    ) -> Recommendations:
        """What a shopper would like; for one who is not known, what is popular."""
        answer = reader.recommend(user_id, k)
        shown = _shown(answer, placement)
        log.append_together({name: shown[name] for name in ("propensities", "impressions")})
        items = [
            RecommendedItem(**fields(item), impression_id=impression["impression_id"])
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
