"""``GET /v1/segment``: users like this one, as a group."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from penchant.api.auth.access import RequireScope
from penchant.api.auth.feature_access import require_readable
from penchant.api.auth.tokens import FEATURE_SCOPES, Token
from penchant.api.http.problems import UNKNOWN_USER
from penchant.api.http.services import AppServices
from penchant.api.schemas.listed import ListedItem, SegmentQuery, UserSegment

router = APIRouter(tags=["portraits"])


@router.get("/v1/segment", summary="Describe users like this one", responses=UNKNOWN_USER)
def segment(
    request: Request,
    query: Annotated[SegmentQuery, Query()],
    token: Annotated[Token, Depends(RequireScope(FEATURE_SCOPES["quasi"]))],
    services: AppServices,
) -> UserSegment:
    """The user's segment: its size, its interests and items for it; never its members.

    The token needs the scope of the feature that names segments, as a portrait does.
    """
    found = services.recommendations.segment(
        query.user_id,
        query.k,
        lambda store, features: require_readable(request, token, store, features),
    )
    return UserSegment(
        user_id=query.user_id,
        release_id=found.release_id,
        snapshot_id=found.snapshot_id,
        segment=found.segment,
        users=found.users,
        interests=list(found.interests),
        items=[ListedItem(**asdict(item)) for item in found.items],
    )
