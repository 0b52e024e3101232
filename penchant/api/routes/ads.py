"""``GET /v1/ads``: which ads to show a user now."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from penchant.api.auth.access import Access
from penchant.api.http.event_intake import Id
from penchant.api.http.problems import Refused
from penchant.errors import NothingToDo
from penchant.feedback.log import FeedbackLog
from penchant.serving.advertising.advertiser import MOST, Advertiser
from penchant.serving.advertising.impressions import log_ads


class ShownAd(BaseModel):
    ad_id: str
    probability: float = Field(description="of a response, as it was predicted")
    seen: int = Field(description="times that the user saw it today, this one included")
    cap: int = Field(description="times a day that it may be seen at most")
    impression_id: str


class ShownAds(BaseModel):
    """Best first; empty where nothing is planned for the user, or all of it was shown."""

    user_id: str
    policy: str
    release_id: str
    snapshot_id: str
    slate_id: str
    ads: list[ShownAd]


def add(router: APIRouter, access: Access, advertiser: Advertiser, log: FeedbackLog) -> None:
    @router.get("/ads", dependencies=[Depends(access.needs("recommendations:read"))])
    def ads(
        user_id: Annotated[Id, Query()],
        k: Annotated[int, Query(ge=1, le=MOST)] = 1,
        placement: Annotated[Id, Query(description="where it is shown")] = "ads",
    ) -> ShownAds:
        """Ads of the day's plan, paced through it. What is answered counts as shown."""
        now = datetime.now(UTC).replace(tzinfo=None)
        try:
            answer = advertiser.choose(user_id, k, now)
        except NothingToDo as error:
            detail = f"{error.cause}: {error.remedy}"
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, detail) from error
        shown = log_ads(log, answer, placement, now)
        return ShownAds(
            user_id=user_id,
            policy=answer.policy,
            release_id=answer.release_id,
            snapshot_id=answer.snapshot_id,
            slate_id=shown.slate_id,
            ads=[
                ShownAd(
                    ad_id=ad.ad_id,
                    probability=ad.probability,
                    seen=ad.seen,
                    cap=ad.cap,
                    impression_id=impression_id,
                )
                for ad, impression_id in zip(answer.ads, shown.impression_ids, strict=True)
            ],
        )
