"""``GET /v1/basket``: what goes with the items of a basket."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from penchant.api.auth.access import Access
from penchant.api.http.event_intake import Id
from penchant.feedback.log import FeedbackLog
from penchant.serving.recommending.basket import BASKET, LARGEST, NOBODY
from penchant.serving.recommending.impressions import log_shown
from penchant.serving.service import MOST, RecommendationService


class CompletingItem(BaseModel):
    """``impression_id``: null where no user was named, for then nothing is logged."""

    item_id: str
    title: str
    category: str | None
    price: float | None
    score: float = Field(description="cosine of the item's vector and the basket's")
    impression_id: str | None


class Completed(BaseModel):
    """Best first. ``ignored``: items of the basket of which nothing is learned."""

    user_id: str | None
    origin: str
    policy: str
    release_id: str
    snapshot_id: str
    slate_id: str | None
    ignored: list[str]
    items: list[CompletingItem]


def add(
    router: APIRouter, access: Access, service: RecommendationService, log: FeedbackLog
) -> None:
    @router.get("/basket", dependencies=[Depends(access.needs("recommendations:read"))])
    def basket(
        item_id: Annotated[
            list[Id], Query(min_length=1, max_length=LARGEST, description="each item of the basket")
        ],
        k: Annotated[int, Query(ge=1, le=MOST)] = 10,
        user_id: Annotated[
            Id | None, Query(description="whose basket it is; what is shown is then logged")
        ] = None,
        placement: Annotated[Id, Query(description="where it is shown")] = BASKET,
    ) -> Completed:
        """What goes with a basket. Nothing of the basket is in the answer."""
        completion = service.complete(item_id, k, user_id or NOBODY)
        answer, slate_id = completion.answer, None
        impression_ids: tuple[str | None, ...] = (None,) * len(answer.items)
        if user_id is not None:
            shown = log_shown(log, answer, placement, datetime.now(UTC).replace(tzinfo=None))
            slate_id, impression_ids = shown.slate_id, shown.impression_ids
        return Completed(
            user_id=user_id,
            origin=answer.origin,
            policy=answer.policy,
            release_id=answer.release_id,
            snapshot_id=answer.snapshot_id,
            slate_id=slate_id,
            ignored=list(completion.ignored),
            items=[
                CompletingItem(
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
