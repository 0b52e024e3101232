"""An item's page: what it is, and what is like it."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, Query
from fastapi.responses import HTMLResponse

from penchant.errors import UsageError
from penchant.serving.http.console.live import live_catalogue
from penchant.serving.http.console.render import page
from penchant.serving.http.console.session import READS, RECOMMENDATIONS, Sessions, Visitor
from penchant.serving.http.feedback_events import Id
from penchant.serving.http.problems import Refused
from penchant.serving.reader import Answer, Reader
from penchant.settings import Settings

SIMILAR = 10


def add(app: FastAPI, settings: Settings, sessions: Sessions, reader: Reader) -> None:
    @app.get("/item")
    def item(
        item_id: Annotated[Id, Query()],
        visitor: Annotated[Visitor, Depends(sessions.needs(*READS))],
    ) -> HTMLResponse:
        """404 for one that the snapshot does not have."""
        catalogue = live_catalogue(settings)
        described = catalogue.item(item_id)
        if described is None:
            cause = f"Item {item_id!r} is not in snapshot {catalogue.snapshot.id}"
            raise Refused(HTTPStatus.NOT_FOUND, cause)
        sees_similar = visitor.may(RECOMMENDATIONS)
        answer, refusal = _similar(reader, item_id) if sees_similar else (None, None)
        return page(
            "item.html",
            visitor,
            item=described,
            proposed=catalogue.proposed_tags(item_id),
            sees_similar=sees_similar,
            answer=answer,
            refusal=refusal,
            generation_id=settings.live_generation.current(),
            snapshot_id=catalogue.snapshot.id,
        )


def _similar(reader: Reader, item_id: str) -> tuple[Answer | None, UsageError | None]:
    """Its nearest items, or why there are none."""
    try:
        return reader.similar(item_id, SIMILAR), None
    except UsageError as error:
        return None, error
