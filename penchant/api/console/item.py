"""An item's page: what it is, and what is like it."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, Query
from fastapi.responses import HTMLResponse

from penchant.api.console.live import live_catalogue
from penchant.api.console.render import page
from penchant.api.console.session import READS, RECOMMENDATIONS, Sessions, Visitor
from penchant.api.http.event_intake import Id
from penchant.api.http.problems import Refused
from penchant.errors import UsageError
from penchant.serving.service import Answer, RecommendationService
from penchant.settings import Settings

SIMILAR = 10


def add(
    app: FastAPI, settings: Settings, sessions: Sessions, service: RecommendationService
) -> None:
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
        answer, refusal = _similar(service, item_id) if sees_similar else (None, None)
        return page(
            "item.html",
            visitor,
            item=described,
            proposed=catalogue.proposed_tags(item_id),
            sees_similar=sees_similar,
            answer=answer,
            refusal=refusal,
            release_id=settings.live_release.current(),
            snapshot_id=catalogue.snapshot.id,
        )


def _similar(
    service: RecommendationService, item_id: str
) -> tuple[Answer | None, UsageError | None]:
    """Its nearest items, or why there are none."""
    try:
        return service.similar(item_id, SIMILAR), None
    except UsageError as error:
        return None, error
