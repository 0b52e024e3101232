"""``GET /v1/activity``: what a shopper did last, the moment ago included."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from penchant.serving.fresh.activity import Activity, activity
from penchant.serving.fresh.events import FreshEvents
from penchant.serving.http.access import Access
from penchant.serving.http.feedback_events import Id
from penchant.serving.http.tokens import FEATURE_SCOPES
from penchant.serving.reader import Reader


def add(router: APIRouter, access: Access, reader: Reader, events: FreshEvents) -> None:
    @router.get("/activity", dependencies=[Depends(access.needs(FEATURE_SCOPES["direct"]))])
    def of(user_id: Annotated[Id, Query()]) -> Activity:
        """The features of a shopper that move with every event."""
        return reader.read(lambda opened: activity(opened, events, user_id))
