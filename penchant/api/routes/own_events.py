"""``GET`` and ``DELETE /v1/events``, ``POST /v1/events/import``: a client's own events."""

from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from penchant.api.auth.access import RequireScope, charge_work
from penchant.api.auth.audit_context import record_entities
from penchant.api.auth.tokens import FEATURE_SCOPES, Token
from penchant.api.http.repetition import WITHOUT_EFFECT
from penchant.api.http.services import AppServices
from penchant.api.routes.events import event_row
from penchant.api.schemas.own_events import (
    DeleteEventsQuery,
    EventsDeleted,
    ImportRequest,
    OwnEvent,
    OwnEvents,
    OwnEventsQuery,
)
from penchant.api_schemas import EventsReceived

READS = 5.0  # units of work: the landed batches are read
router = APIRouter(tags=["events"])


@router.get("/v1/events", summary="List a user's events")
def list_events(
    request: Request,
    query: Annotated[OwnEventsQuery, Query()],
    token: Annotated[Token, Depends(RequireScope(FEATURE_SCOPES["direct"]))],
    services: AppServices,
) -> OwnEvents:
    """Events of a user that this client sent, newest first, up to the last acknowledged one."""
    charge_work(request, READS)
    found = services.own_events.of(query.user_id, token.name, query.k)
    events = [
        OwnEvent(**asdict(each) | {"event_at": each.event_at.replace(tzinfo=UTC)}) for each in found
    ]
    return OwnEvents(user_id=query.user_id, events=events)


@router.delete(
    "/v1/events",
    summary="Delete a user's events",
    responses={404: {"description": "Unknown event."}},
    openapi_extra=WITHOUT_EFFECT,
)
def delete_events(
    request: Request,
    query: Annotated[DeleteEventsQuery, Query()],
    token: Annotated[Token, Depends(RequireScope("events:write"))],
    services: AppServices,
) -> EventsDeleted:
    """Delete events that this client sent: at once from what answers fold in, and with the next
    build from the marts. All of them or, where one is unknown, none."""
    record_entities(request, len(query.event_id))
    charge_work(request, READS)
    now = datetime.now(UTC).replace(tzinfo=None)
    deleted = services.own_events.delete(query.user_id, query.event_id, token.name, now)
    return EventsDeleted(deleted=deleted)


@router.post(
    "/v1/events/import",
    summary="Import past events",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=WITHOUT_EFFECT,
)
def import_events(
    request: Request,
    body: ImportRequest,
    token: Annotated[Token, Depends(RequireScope("events:write"))],
    services: AppServices,
) -> EventsReceived:
    """Store events of any age for the next snapshot; answers don't fold them in before. Idempotent
    by event_id."""
    record_entities(request, len(body.events))
    charge_work(request, len(body.events) / 50)
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = [event_row(event, now, token.name) for event in body.events]
    services.feedback_log.append("history", rows)
    return EventsReceived(received=len(rows))
