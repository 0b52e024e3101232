"""``GET /v1/portrait``: what a user is interested in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from penchant.api.auth.access import Access
from penchant.api.auth.feature_access import require_readable
from penchant.api.auth.tokens import FEATURES, Token
from penchant.api.http.event_intake import Id
from penchant.serving.portrait import Portrait
from penchant.serving.service import RecommendationService


def add(router: APIRouter, access: Access, service: RecommendationService) -> None:
    @router.get("/portrait")
    def portrait(
        request: Request,
        user_id: Annotated[Id, Query()],
        token: Annotated[Token, Depends(access.needs(FEATURES))],
    ) -> Portrait:
        """What a user is interested in, how surely, and the segment they are in.

        It needs the scope of the most personal feature in it.
        """
        return service.portrait(
            user_id, lambda store, features: require_readable(request, token, store, features)
        )
