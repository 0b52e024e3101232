"""``GET /v1/portrait``: what a user is interested in."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from penchant.api.auth.access import RequireScope
from penchant.api.auth.feature_access import require_readable
from penchant.api.auth.tokens import FEATURE_SCOPES, Token
from penchant.api.http.problems import UNKNOWN_USER
from penchant.api.http.serialized import serialized
from penchant.api.http.services import AppServices
from penchant.api_schemas import Portrait, UserQuery

router = APIRouter(tags=["portraits"])


@router.get("/v1/portrait", summary="Describe a user's interests", responses=UNKNOWN_USER)
@serialized
def portrait(
    request: Request,
    query: Annotated[UserQuery, Query()],
    token: Annotated[Token, Depends(RequireScope(FEATURE_SCOPES["quasi"]))],
    services: AppServices,
) -> Portrait:
    """Interests with intervals, segment and descriptive features of a known user.

    The token needs the scope of the most personal feature in the response.
    """
    found = services.recommendations.portrait(
        query.user_id, lambda store, features: require_readable(request, token, store, features)
    )
    return Portrait(**asdict(found))
