"""A shopper's page: portrait, recommendations, what they did."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, Query
from fastapi.responses import HTMLResponse

from penchant.errors import UsageError
from penchant.serving.http.console.live import live_catalogue
from penchant.serving.http.console.render import drawn, page
from penchant.serving.http.console.session import READS, Sessions, Visitor
from penchant.serving.http.feedback_events import Id
from penchant.serving.portrait import Portrait
from penchant.serving.portrait_plot import interests_plot
from penchant.serving.reader import Reader
from penchant.settings import Settings

RECOMMENDED = 10
EVENTS = 20


def add(app: FastAPI, settings: Settings, sessions: Sessions, reader: Reader) -> None:
    @app.get("/shopper")
    def shopper(
        user_id: Annotated[Id, Query()],
        visitor: Annotated[Visitor, Depends(sessions.needs(*READS))],
    ) -> HTMLResponse:
        """404 for one who is not known, with what a stranger is recommended."""
        catalogue = live_catalogue(settings)
        sees_portrait = visitor.may("features:read")
        sees_recommended = visitor.may("recommendations:read")
        portrait, unknown = _portrait(reader, user_id) if sees_portrait else (None, None)
        answer = reader.recommend(user_id, RECOMMENDED) if sees_recommended else None
        events = catalogue.events(user_id, EVENTS) if sees_portrait else []
        return page(
            "shopper.html",
            visitor,
            HTTPStatus.NOT_FOUND if unknown else HTTPStatus.OK,
            user_id=user_id,
            sees_portrait=sees_portrait,
            portrait=portrait,
            unknown=unknown,
            interests=drawn(interests_plot(portrait.interests)) if portrait else None,
            answer=answer,
            events=events,
            generation_id=settings.live_generation.current(),
            snapshot_id=catalogue.snapshot.id,
        )


def _portrait(reader: Reader, user_id: str) -> tuple[Portrait | None, UsageError | None]:
    """The portrait, or why there is none."""
    try:
        return reader.portrait(user_id), None
    except UsageError as error:
        return None, error
