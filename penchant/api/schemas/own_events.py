"""Models of reading, deleting and importing events."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from penchant.api_schemas import (
    MAX_CLOCK_SKEW,
    MAX_EVENTS,
    Event,
    EventType,
    Id,
    Request,
    Response,
)

MAX_LISTED = 1000
MAX_DELETED = 100


def _past(moment: datetime) -> datetime:
    if moment > (now := datetime.now(UTC)) + MAX_CLOCK_SKEW:
        raise ValueError(f"must not be in the future; it is now {now:%Y-%m-%dT%H:%M:%SZ}")
    return moment


class OwnEventsQuery(Request):
    user_id: Id
    k: int = Field(100, ge=1, le=MAX_LISTED, description="Maximum number of events.")


class OwnEvent(Response):
    event_id: str
    session_id: str
    event_type: EventType
    item_id: str | None
    quantity: int | None
    value: float | None
    query: str | None
    event_at: datetime = Field(description="UTC.")
    impression_id: str | None


class OwnEvents(Response):
    """Events that this client sent of a user, newest first."""

    user_id: str
    events: list[OwnEvent]


class DeleteEventsQuery(Request):
    user_id: Id
    event_id: list[Id] = Field(
        min_length=1, max_length=MAX_DELETED, description="Event to delete. Repeatable."
    )


class EventsDeleted(Response):
    """The deletion is stored durably."""

    deleted: int = Field(description="Number of events that were not deleted before.")


class PastEvent(Event):
    """A user's action of any age, from the time before the shop sent events."""

    event_at: Annotated[AwareDatetime, AfterValidator(_past)] = Field(
        examples=["2024-03-01T12:00:00Z"]
    )


class ImportRequest(Request):
    """Events that are accepted together: all or none."""

    events: list[PastEvent] = Field(min_length=1, max_length=MAX_EVENTS)
