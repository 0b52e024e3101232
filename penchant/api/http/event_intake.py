"""Events as clients post them: checked, then durable, then acknowledged."""

import math
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

MOST_AT_ONCE = 500
AHEAD = timedelta(seconds=120)  # clocks differ by so much
OLDEST = timedelta(days=30)


def _printable(value: str) -> str:
    """Unicode's categories C*: control, format, surrogate, private use, unassigned."""
    if not value.strip():
        raise ValueError("is blank")
    if any(unicodedata.category(character).startswith("C") for character in value):
        raise ValueError("has control characters")
    return value


Id = Annotated[
    str,
    Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$"),
    AfterValidator(_printable),
]


class Event(BaseModel):
    """What a user did. ``impression_id``: of the answer that led to it, if one did."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    event_id: Id = Field(description="the client's own; the same twice is one event")
    user_id: Id
    session_id: Id
    event_type: Literal["view", "search", "cart", "purchase", "return", "rating"]
    event_at: AwareDatetime = Field(description="with its zone", examples=["2026-03-01T12:00:00Z"])
    item_id: Id | None = Field(None, description="all but a search have one")
    quantity: int | None = Field(None, strict=True, ge=-(10**9), le=10**9)
    value: float | None = Field(None, strict=True, ge=-1e12, le=1e12, description="money")
    query: str | None = Field(None, max_length=1000)
    impression_id: Id | None = None

    @field_validator("event_at")
    @classmethod
    def not_from_another_time(cls, moment: datetime) -> datetime:
        now = datetime.now(UTC)
        if moment > now + AHEAD:
            raise ValueError(f"is in the future: it is {now.isoformat(timespec='seconds')} here")
        if moment < now - OLDEST:
            raise ValueError(f"is more than {OLDEST.days} days ago: land old events as a file")
        return moment

    @model_validator(mode="after")
    def makes_sense(self) -> "Event":
        if self.item_id is None and self.event_type != "search":
            raise ValueError("item_id is missing: only a search has no item")
        if self.quantity is not None and self.quantity < 0 and self.event_type != "return":
            raise ValueError("quantity is negative, and the event is not a return")
        return self

    def row(self, received_at: datetime) -> dict[str, Any]:
        """As the feedback log keeps it: times are naive UTC."""
        naive = self.event_at.astimezone(UTC).replace(tzinfo=None)
        value = None if self.value is None or math.isnan(self.value) else self.value
        return {
            **self.model_dump(exclude={"event_at", "value"}),
            "value": value,
            "event_at": min(naive, received_at),  # a clock that is ahead would seem to predict
            "received_at": received_at,
        }


class Events(BaseModel):
    """Events that are acknowledged together, all or none."""

    model_config = ConfigDict(extra="forbid")

    events: list[Event] = Field(min_length=1, max_length=MOST_AT_ONCE)
