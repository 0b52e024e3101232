"""``GET /v1/portrait``: what a shopper is interested in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from penchant.serving.http.access import Access
from penchant.serving.http.feedback_events import Id
from penchant.serving.portrait import Portrait
from penchant.serving.reader import Reader


def add(router: APIRouter, access: Access, reader: Reader) -> None:
    @router.get("/portrait", dependencies=[Depends(access.needs("features:read"))])
    def portrait(user_id: Annotated[Id, Query()]) -> Portrait:
        """What a shopper is interested in, how surely, and the segment they are in."""
        return reader.portrait(user_id)
