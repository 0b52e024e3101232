"""``GET /v1/portrait``: what a shopper is interested in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from penchant.serving.http.access import Access
from penchant.serving.http.feature_access import require_readable
from penchant.serving.http.feedback_events import Id
from penchant.serving.http.tokens import FEATURES, Token
from penchant.serving.portrait import Portrait
from penchant.serving.reader import Reader


def add(router: APIRouter, access: Access, reader: Reader) -> None:
    @router.get("/portrait")
    def portrait(
        request: Request,
        user_id: Annotated[Id, Query()],
        token: Annotated[Token, Depends(access.needs(FEATURES))],
    ) -> Portrait:
        """What a shopper is interested in, how surely, and the segment they are in.

        It needs the scope of the most personal feature in it.
        """
        return reader.portrait(
            user_id, lambda store, features: require_readable(request, token, store, features)
        )
