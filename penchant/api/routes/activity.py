"""``GET /v1/activity``: what a user did last, up to the last posted event."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from penchant.api.auth.access import RequireScope
from penchant.api.auth.tokens import FEATURE_SCOPES
from penchant.api.http.services import AppServices
from penchant.api_schemas import Activity, UserQuery
from penchant.serving.fresh_events.activity import activity as activity_of

router = APIRouter(tags=["portraits"])


@router.get(
    "/v1/activity",
    summary="List a user's latest events",
    dependencies=[Depends(RequireScope(FEATURE_SCOPES["direct"]))],
)
def activity(query: Annotated[UserQuery, Query()], services: AppServices) -> Activity:
    """Event-level features of a user, up to date with the last posted event."""
    return services.recommendations.read(
        lambda opened: activity_of(opened, services.user_events, query.user_id)
    )
