"""``POST /v1/events``: what users did, durable before it is acknowledged."""

from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from penchant.api.auth.access import Access
from penchant.api.auth.audit_context import about
from penchant.api.http.event_intake import Events
from penchant.feedback.log import FeedbackLog


class Received(BaseModel):
    """The events are on the disk."""

    received: int


def add(router: APIRouter, access: Access, log: FeedbackLog) -> None:
    @router.post(
        "/events",
        status_code=HTTPStatus.ACCEPTED,
        dependencies=[Depends(access.needs("events:write"))],
    )
    def events(request: Request, posted: Events) -> Received:
        """Keep what users did. Sending an event again does no harm: it counts once."""
        about(request, len(posted.events))
        received_at = datetime.now(UTC).replace(tzinfo=None)
        log.append("events", [event.row(received_at) for event in posted.events])
        return Received(received=len(posted.events))
