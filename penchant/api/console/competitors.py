"""A competitor against us: prices, what we lack, and what reviews say."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from penchant.api.auth.tokens import INSIGHTS
from penchant.api.console.render import page, safe_svg
from penchant.api.console.session import READ_SCOPES, RequireVisitor, Visitor
from penchant.api.http.services import AppServices
from penchant.api_schemas import MAX_ID_LENGTH
from penchant.errors import NothingToDo
from penchant.insights.competitors.published import (
    PublishedCompetitors,
    published_competitors,
)
from penchant.insights.shown.plots import prices_plot

MAX_ROWS = 20
router = APIRouter()


@router.get("/competitors")
def competitors(
    request: Request,
    visitor: Annotated[Visitor, Depends(RequireVisitor((*READ_SCOPES, INSIGHTS)))],
    services: AppServices,
    competitor: Annotated[str, Query(max_length=MAX_ID_LENGTH)] = "",
) -> HTMLResponse:
    """Price index by category, gaps by interest, aspects by difference."""
    published: PublishedCompetitors | None = None
    missing = []
    if visitor.allows(INSIGHTS):
        try:
            published = published_competitors(services.settings)
        except NothingToDo as error:
            missing.append(error)
    found = published.of(competitor or None) if published else None
    return page(
        request,
        "competitors.html",
        visitor,
        scope=INSIGHTS,
        allowed=visitor.allows(INSIGHTS),
        missing=missing,
        record=published.record if published else None,
        names=published.names() if published else [],
        found=found,
        plot=safe_svg(prices_plot(found.prices)) if found and found.prices else None,
        most=MAX_ROWS,
    )
