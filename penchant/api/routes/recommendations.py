"""``GET /v1/recommendations``: what a user would like.

What is recommended is logged as shown, with the impression ids that the answer names: an event that
gives one back is what it led to.
"""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from penchant.api.auth.access import Access
from penchant.api.http.event_intake import Id
from penchant.feedback.log import FeedbackLog
from penchant.serving.recommending.impressions import Shown, log_shown
from penchant.serving.recommending.options import LONGEST_CATEGORY, MOST_EXCLUDED, RecommendOptions
from penchant.serving.recommending.recommendation import Recommendation
from penchant.serving.service import MOST, RecommendationService


class Because(BaseModel):
    """What of the user's history an item was recommended for."""

    item_id: str
    title: str
    because: str = Field(description="in words", examples=["because you bought White bread"])
    drop: float = Field(description="by how much the item's score falls without it; above 0")


class RecommendedItem(BaseModel):
    """``score`` compares only with others of the same ``source`` and answer."""

    item_id: str
    title: str
    category: str | None
    price: float | None
    score: float
    source: str = Field(description="what found it", examples=["ranker", "retriever"])
    propensity: float = Field(description="its chance to be here, given the items before it")
    impression_id: str
    reason: Because | None = Field(description="null where none was asked for, or none holds")


class Recommendations(BaseModel):
    """In the order to show them in. ``origin``: what ranked them; ``policy``: what chose them."""

    user_id: str
    origin: str
    policy: str
    release_id: str
    snapshot_id: str
    slate_id: str
    items: list[RecommendedItem]
    reasons_by: str | None = Field(description="the model family whose score reasons explain")
    reasons_withheld: str | None = Field(description="why none is given, where asked for")


def add(
    router: APIRouter, access: Access, service: RecommendationService, log: FeedbackLog
) -> None:
    @router.get("/recommendations", dependencies=[Depends(access.needs("recommendations:read"))])
    def recommendations(
        user_id: Annotated[Id, Query()],
        k: Annotated[int, Query(ge=1, le=MOST)] = 10,
        placement: Annotated[Id, Query(description="where it is shown")] = "home",
        exclude_bought: Annotated[bool, Query(description="leave out what they bought")] = False,
        exclude: Annotated[
            list[Id],
            Query(max_length=MOST_EXCLUDED, description="items to leave out, such as out of stock"),
        ] = [],  # noqa: B006 -- FastAPI copies it
        in_stock: Annotated[
            bool, Query(description="only what the shop's data says is in stock")
        ] = False,
        category: Annotated[
            str | None,
            Query(max_length=LONGEST_CATEGORY, examples=["Grocery", "Grocery > Soup"]),
        ] = None,
        price_min: Annotated[float | None, Query(ge=0, allow_inf_nan=False)] = None,
        price_max: Annotated[float | None, Query(ge=0, allow_inf_nan=False)] = None,
        diversity: Annotated[
            float,
            Query(ge=0, le=1, allow_inf_nan=False, description="0: best first; 1: all unlike"),
        ] = 0.0,
        reasons: Annotated[bool, Query(description="say why, where it holds")] = False,
    ) -> Recommendations:
        """What a user would like; for one who is not known, what is popular."""
        options = RecommendOptions(
            exclude_bought,
            tuple(exclude),
            in_stock,
            category,
            price_min,
            price_max,
            diversity,
            reasons,
        )
        answer = service.recommend(user_id, k, options)
        shown = log_shown(log, answer, placement, datetime.now(UTC).replace(tzinfo=None))
        return _answered(answer, shown)


def _answered(answer: Recommendation, shown: Shown) -> Recommendations:
    described = answer.as_dict()
    items = [
        RecommendedItem(**item, impression_id=impression_id)
        for item, impression_id in zip(described.pop("items"), shown.impression_ids, strict=True)
    ]
    user_id = described.pop("asked")
    return Recommendations(user_id=user_id, slate_id=shown.slate_id, items=items, **described)
