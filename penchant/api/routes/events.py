"""``POST /v1/events``: what users did, stored durably before it is acknowledged."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from penchant.api.auth.access import RequireScope, charge_work
from penchant.api.auth.audit_context import record_entities
from penchant.api.auth.tokens import Token
from penchant.api.http.problems import HTTPProblem
from penchant.api.http.services import AppServices
from penchant.api_schemas import Event, EventsReceived, EventsRequest
from penchant.feedback.identity import logged_id, sent_id

router = APIRouter(tags=["events"])


@router.post(
    "/v1/events",
    summary="Send events",
    status_code=HTTPStatus.ACCEPTED,
    responses={HTTPStatus.CONFLICT.value: {"description": "An event_id was used before."}},
)
def send_events(
    request: Request,
    posted: EventsRequest,
    token: Annotated[Token, Depends(RequireScope("events:write"))],
    services: AppServices,
) -> EventsReceived:
    """Store events. Idempotent: an event that is sent again counts once, by its event_id, which is
    the client's and the user's own. 409 if an event_id was used for another event."""
    record_entities(request, len(posted.events))
    charge_work(request, len(posted.events) / 10)
    received_at = datetime.now(UTC).replace(tzinfo=None)
    rows = [event_row(event, received_at, token.name) for event in posted.events]
    if conflicts := services.fresh_events.conflicts(rows):
        raise HTTPProblem(
            HTTPStatus.CONFLICT,
            f"event_id {sent_id(conflicts[0])!r} was used for another event of the same user",
            remedy="choose a new event_id for each event; nothing of this request was stored",
        )
    services.feedback_log.append("events", rows)
    return EventsReceived(received=len(posted.events))


def event_row(event: Event, received_at: datetime, client: str) -> dict[str, Any]:
    """The event as a row of the feedback log. Times are naive UTC. ``client``: the token's name."""
    event_at = event.event_at.astimezone(UTC).replace(tzinfo=None)
    return {
        **event.model_dump(exclude={"event_at"}),
        "event_id": logged_id(event.event_id, client),
        "event_at": min(event_at, received_at),  # a fast clock would date it after its reception
        "received_at": received_at,
    }
