"""``GET /v1/retention`` and ``/v1/fading``: who returns, and who is fading."""

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from penchant.api.auth.access import RequireScope, charge_work
from penchant.api.auth.audit_context import record_entities
from penchant.api.auth.tokens import FEATURE_SCOPES
from penchant.api.http.problems import UNKNOWN_USER
from penchant.api.http.services import AppServices
from penchant.api.schemas.insights import (
    FadingQuery,
    FadingUsers,
    Retention,
    RetentionQuery,
    UserRetention,
)
from penchant.errors import UsageError
from penchant.insights.retention.published import published_retention

router = APIRouter(tags=["insights"])


@router.get(
    "/v1/retention",
    summary="Predict a user's return",
    responses=UNKNOWN_USER,
    dependencies=[Depends(RequireScope(FEATURE_SCOPES["quasi"]))],
)
def retention(query: Annotated[RetentionQuery, Query()], services: AppServices) -> Retention:
    """Return within 28 days, expected spending of 90 days and pace of a user."""
    if not services.recommendations.profiles(query.user_id):
        raise UsageError(
            f"user {query.user_id!r} is not profiled, on request", "treat them as any other user"
        )
    published = published_retention(services.settings)
    row = published.of_user(query.user_id)
    return Retention(snapshot_id=published.record.snapshot_id, **row)


@router.get(
    "/v1/fading",
    summary="List fading users",
    dependencies=[Depends(RequireScope(FEATURE_SCOPES["direct"]))],
)
def fading(
    request: Request, query: Annotated[FadingQuery, Query()], services: AppServices
) -> FadingUsers:
    """Users who are silent for longer than the pace of their own orders explains."""
    published = published_retention(services.settings)
    profiled = (
        row for row in published.fading() if services.recommendations.profiles(row["user_id"])
    )
    rows = list(islice(profiled, query.k))
    record_entities(request, len(rows))
    charge_work(request, len(rows) / 50)
    return FadingUsers(
        snapshot_id=published.record.snapshot_id,
        fading=published.record.fading,
        users=[UserRetention(**row) for row in rows],
    )
