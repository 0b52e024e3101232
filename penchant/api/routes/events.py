"""``POST /v1/events``: what users did, stored durably before it is acknowledged."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends, Request

from penchant.api.auth.access import RequireScope
from penchant.api.auth.audit_context import record_entities
from penchant.api.http.services import AppServices
from penchant.api_schemas import Event, EventsReceived, EventsRequest

router = APIRouter(tags=["events"])


@router.post(
    "/v1/events",
    summary="Send events",
    status_code=HTTPStatus.ACCEPTED,
    dependencies=[Depends(RequireScope("events:write"))],
)
def send_events(request: Request, posted: EventsRequest, services: AppServices) -> EventsReceived:
    """Store events. Idempotent: an event that is sent again counts once, by its event_id."""
    record_entities(request, len(posted.events))
    received_at = datetime.now(UTC).replace(tzinfo=None)
    services.feedback_log.append("events", [_row(event, received_at) for event in posted.events])
    return EventsReceived(received=len(posted.events))


def _row(event: Event, received_at: datetime) -> dict[str, Any]:
    """The event as a row of the feedback log. Times are naive UTC."""
    event_at = event.event_at.astimezone(UTC).replace(tzinfo=None)
    return {
        **event.model_dump(exclude={"event_at"}),
        "event_at": min(event_at, received_at),  # a fast clock would date it after its reception
        "received_at": received_at,
    }
