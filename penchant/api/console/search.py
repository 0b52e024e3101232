"""The first page: search a shopper or an item."""

from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse

from penchant.serving.http.asked import about
from penchant.serving.http.console.live import live_catalogue
from penchant.serving.http.console.render import PRIVATE, page
from penchant.serving.http.console.session import READS, SHOPPERS, Sessions, Visitor
from penchant.serving.reader import LONGEST_ID
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
        """What is found, or a few to begin with. To list shoppers takes more than to open one."""
        catalogue, asked = live_catalogue(settings), q.strip()
        sees_shoppers = visitor.may(SHOPPERS)
        shoppers = []
        if sees_shoppers:
            shoppers = catalogue.shoppers(asked, MOST) if asked else catalogue.example_shoppers()
            about(request, len(shoppers))
        return page(
            "search.html",
            visitor,
            q=asked,
            most=MOST,
            shoppers=shoppers,
            sees_shoppers=sees_shoppers,
            scope=SHOPPERS,
            items=catalogue.items(asked, MOST) if asked else catalogue.best_sellers(SUGGESTED),
        )

    @app.get("/suggest", dependencies=[Depends(guard)])
    def suggest(q: Asked) -> JSONResponse:
        """Items to complete a field with, while somebody types."""
        found = live_catalogue(settings).items(q, SUGGESTED) if q.strip() else []
        named = [{"item_id": each.item_id, "title": each.title} for each in found]
        return JSONResponse(named, headers=PRIVATE)
