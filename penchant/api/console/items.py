"""An item's page: its attributes and similar items."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from penchant.api.console.live_catalogue import live_catalogue
from penchant.api.console.render import page
from penchant.api.console.session import READ_SCOPES, RECOMMENDATIONS, RequireVisitor, Visitor
from penchant.api.http.problems import HTTPProblem
from penchant.api.http.services import AppServices
from penchant.api_schemas import Id
from penchant.errors import UsageError
from penchant.serving.service import RecommendationService, ScoredItems

MAX_SIMILAR = 10
router = APIRouter()


@router.get("/items")
def items(
    request: Request,
    item_id: Annotated[Id, Query()],
    visitor: Annotated[Visitor, Depends(RequireVisitor(READ_SCOPES))],
    services: AppServices,
) -> HTMLResponse:
    """404 for an item that the live snapshot lacks."""
    catalogue = live_catalogue(services.settings)
    described = catalogue.item(item_id)
    if described is None:
        cause = f"Item {item_id!r} is not in snapshot {catalogue.snapshot.id}"
        remedy = "check the id, or land the item and build again"
        raise HTTPProblem(HTTPStatus.NOT_FOUND, cause, remedy=remedy)
    sees_similar = visitor.allows(RECOMMENDATIONS)
    answer, error = _similar(services.recommendations, item_id) if sees_similar else (None, None)
    return page(
        request,
        "items.html",
        visitor,
        item=described,
        proposed=catalogue.proposed_tags(item_id),
        sees_similar=sees_similar,
        answer=answer,
        error=error,
        release_id=services.settings.live_release.current(),
        snapshot_id=catalogue.snapshot.id,
    )


def _similar(
    service: RecommendationService, item_id: str
) -> tuple[ScoredItems | None, UsageError | None]:
    """Similar items, or why there are none."""
    try:
        return service.similar(item_id, MAX_SIMILAR), None
    except UsageError as error:
        return None, error
