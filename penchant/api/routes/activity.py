"""``GET /v1/activity``: what a user did last, the moment ago included."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from penchant.api.auth.access import Access
from penchant.api.auth.tokens import FEATURE_SCOPES
from penchant.api.http.event_intake import Id
from penchant.serving.fresh_events.activity import Activity, activity
from penchant.serving.fresh_events.events import FreshEvents
from penchant.serving.service import RecommendationService


def add(
    router: APIRouter, access: Access, service: RecommendationService, events: FreshEvents
) -> None:
    @router.get("/activity", dependencies=[Depends(access.needs(FEATURE_SCOPES["direct"]))])
    def of(user_id: Annotated[Id, Query()]) -> Activity:
        """The features of a user that move with every event."""
        return service.read(lambda opened: activity(opened, events, user_id))
