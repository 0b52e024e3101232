"""The first page: search a user or an item."""

from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse

from penchant.api.auth.audit_context import about
from penchant.api.console.live import live_catalogue
from penchant.api.console.render import PRIVATE, page
from penchant.api.console.session import READS, USERS, Sessions, Visitor
from penchant.serving.service import LONGEST_ID
from penchant.settings import Settings

MOST = 20
SUGGESTED = 8

Asked = Annotated[str, Query(max_length=LONGEST_ID, pattern=r"^[^\x00-\x1f\x7f]*$")]


def add(app: FastAPI, settings: Settings, sessions: Sessions) -> None:
    guard = sessions.needs(*READS)

    @app.get("/")
    def search(
        request: Request, visitor: Annotated[Visitor, Depends(guard)], q: Asked = ""
    ) -> HTMLResponse:
        """What is found, or a few to begin with. To list users takes more than to open one."""
        catalogue, asked = live_catalogue(settings), q.strip()
        sees_users = visitor.may(USERS)
        users = []
        if sees_users:
            users = catalogue.users(asked, MOST) if asked else catalogue.example_users()
            about(request, len(users))
        return page(
            "search.html",
            visitor,
            q=asked,
            most=MOST,
            users=users,
            sees_users=sees_users,
            scope=USERS,
            items=catalogue.items(asked, MOST) if asked else catalogue.best_sellers(SUGGESTED),
        )

    @app.get("/suggest", dependencies=[Depends(guard)])
    def suggest(q: Asked) -> JSONResponse:
        """Items to complete a field with, while somebody types."""
        found = live_catalogue(settings).items(q, SUGGESTED) if q.strip() else []
        named = [{"item_id": each.item_id, "title": each.title} for each in found]
        return JSONResponse(named, headers=PRIVATE)
