"""``PUT /v1/items`` and ``/v1/users``: what a shop sells and to whom, stored durably at once.

A new item is recommended from the next request on, and a changed one has its new title, category,
brand and price in the next answer; other changes are in the next snapshot.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request

from penchant.api.auth.access import RequireScope, charge_work
from penchant.api.auth.audit_context import record_entities
from penchant.api.http.repetition import WITHOUT_EFFECT
from penchant.api.http.services import AppServices, Services
from penchant.api.schemas.catalogue import (
    LEVELS,
    ItemsRequest,
    ItemToPut,
    Stored,
    UsersRequest,
    UserToPut,
)

router = APIRouter(tags=["catalogue"])
Sent = TypeVar("Sent", ItemToPut, UserToPut)


@router.put(
    "/v1/items",
    summary="Send items",
    status_code=HTTPStatus.ACCEPTED,
    dependencies=[Depends(RequireScope("items:write"))],
    openapi_extra=WITHOUT_EFFECT,
)
def put_items(request: Request, body: ItemsRequest, services: AppServices) -> Stored:
    """Add or replace items. A new one is recommended at once, by its title and category; a changed
    one has its new title, category, brand and price in the next answer."""
    return _store(request, services, "items", body.items, _item_row)


@router.put(
    "/v1/users",
    summary="Send users",
    status_code=HTTPStatus.ACCEPTED,
    dependencies=[Depends(RequireScope("users:write"))],
    openapi_extra=WITHOUT_EFFECT,
)
def put_users(request: Request, body: UsersRequest, services: AppServices) -> Stored:
    """Add or replace users. Their attributes are in the next snapshot."""
    return _store(request, services, "users", body.users, _user_row)


def _store(
    request: Request,
    services: Services,
    table: str,
    sent: Sequence[Sent],
    row_of: Callable[[Sent, datetime], dict[str, Any]],
) -> Stored:
    """Append all rows, or none, to a table of the feedback log; durable when this returns."""
    record_entities(request, len(sent))
    charge_work(request, len(sent) / 50)
    now = datetime.now(UTC).replace(tzinfo=None)
    services.feedback_log.append(table, [row_of(each, now) for each in sent])
    return Stored(received=len(sent))


def _item_row(item: ItemToPut, now: datetime) -> dict[str, Any]:
    """The item as a row of the feedback log. Times are naive UTC."""
    levels = [*item.category, *[None] * LEVELS][:LEVELS]
    return {
        **item.model_dump(exclude={"category", "first_seen_at"}),
        **{f"category_{number}": level for number, level in enumerate(levels, start=1)},
        **_times(item.first_seen_at, now),
    }


def _user_row(user: UserToPut, now: datetime) -> dict[str, Any]:
    return {**user.model_dump(exclude={"first_seen_at"}), **_times(user.first_seen_at, now)}


def _times(first_seen_at: datetime | None, now: datetime) -> dict[str, datetime]:
    seen = now if first_seen_at is None else first_seen_at.astimezone(UTC).replace(tzinfo=None)
    return {"first_seen_at": min(seen, now), "received_at": now}
