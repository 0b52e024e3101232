"""``GET /v1/ads``: ads for a user."""

from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from penchant.api.auth.access import RequireScope
from penchant.api.http.problems import HTTPProblem
from penchant.api.http.repetition import LOGGED
from penchant.api.http.services import AppServices
from penchant.api.server.connected import require_connected
from penchant.api_schemas import Ad, Ads, AdsQuery
from penchant.errors import NothingToDo
from penchant.serving.advertising.impressions import log_ads

router = APIRouter(tags=["ads"])


@router.get(
    "/v1/ads",
    summary="Select ads for a user",
    dependencies=[Depends(RequireScope("recommendations:read"))],
    openapi_extra=LOGGED,
)
def ads(request: Request, query: Annotated[AdsQuery, Query()], services: AppServices) -> Ads:
    """Ads of the day's plan, paced over the day. The response is counted and logged as shown."""
    now = datetime.now(UTC).replace(tzinfo=None)
    try:
        answer = services.advertiser.select(query.user_id, query.k, now)
    except NothingToDo as error:
        raise HTTPProblem(
            HTTPStatus.SERVICE_UNAVAILABLE, error.cause, remedy=error.remedy
        ) from error
    require_connected(request)
    shown = log_ads(services.feedback_log, answer, query.placement, now)
    return Ads(
        user_id=query.user_id,
        policy=answer.policy,
        release_id=answer.release_id,
        snapshot_id=answer.snapshot_id,
        slate_id=shown.slate_id,
        ads=[
            Ad(**asdict(ad), impression_id=impression_id)
            for ad, impression_id in zip(answer.ads, shown.impression_ids, strict=True)
        ],
    )
