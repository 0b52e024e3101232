"""``GET /v1/audience``: who would want a new item."""

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from penchant.api.auth.access import RequireScope, charge_work
from penchant.api.auth.audit_context import record_entities
from penchant.api.auth.tokens import FEATURE_SCOPES
from penchant.api.http.problems import UNKNOWN_ITEM
from penchant.api.http.services import AppServices
from penchant.api.schemas.insights import Audience, AudienceQuery, AudienceSegment
from penchant.insights.audience.published import published_audiences

router = APIRouter(tags=["insights"])


@router.get(
    "/v1/audience",
    summary="Find the audience of a new item",
    responses=UNKNOWN_ITEM,
    dependencies=[Depends(RequireScope(FEATURE_SCOPES["direct"]))],
)
def audience(
    request: Request, query: Annotated[AudienceQuery, Query()], services: AppServices
) -> Audience:
    """The users most likely to buy an item that nobody, or hardly anybody, has bought yet."""
    published = published_audiences(services.settings)
    found = published.of_item(query.item_id)
    profiled = (user for user in found["user_ids"] if services.recommendations.profiles(user))
    users = list(islice(profiled, query.k))
    record_entities(request, len(users))
    charge_work(request, len(users) / 50)
    return Audience(
        snapshot_id=published.record.snapshot_id,
        item_id=found["item_id"],
        title=found["title"],
        method=published.record.method,
        segments=[AudienceSegment(**each) for each in found["segments"]],
        users=users,
    )
