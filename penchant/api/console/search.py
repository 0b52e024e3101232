"""The start page: search users and items."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse

from penchant.api.auth.audit_context import record_entities
from penchant.api.console.live_catalogue import live_catalogue
from penchant.api.console.render import PRIVATE, page
from penchant.api.console.session import READ_SCOPES, USER_SCOPE, RequireVisitor, Visitor
from penchant.api.http.services import AppServices, Services
from penchant.api_schemas import MAX_ID_LENGTH
from penchant.pseudonyms import Pseudonyms
from penchant.serving.catalogue import FoundUser

MAX_RESULTS = 20
MAX_SUGGESTIONS = 8

SearchText = Annotated[str, Query(max_length=MAX_ID_LENGTH, pattern=r"^[^\x00-\x1f\x7f]*$")]
guard = RequireVisitor(READ_SCOPES)
router = APIRouter()


@router.get("/")
def search(
    request: Request,
    visitor: Annotated[Visitor, Depends(guard)],
    services: AppServices,
    q: SearchText = "",
) -> HTMLResponse:
    """Search results; without a query, example users and popular items."""
    catalogue, text = live_catalogue(services.settings), q.strip()
    sees_users = visitor.allows(USER_SCOPE)
    users = []
    if sees_users:
        users = _found(services, text) if text else catalogue.example_users()
        record_entities(request, len(users))
    popular = services.recommendations.popular
    return page(
        request,
        "search.html",
        visitor,
        q=text,
        max_results=MAX_RESULTS,
        users=users,
        sees_users=sees_users,
        scope=USER_SCOPE,
        items=catalogue.items(text, MAX_RESULTS) if text else popular(MAX_SUGGESTIONS).items,
    )


def _found(services: Services, text: str) -> list[FoundUser]:
    """Users whose id starts with the text; where the home has pseudonyms, with this whole id."""
    prefix = Pseudonyms(services.settings).of(text)
    return live_catalogue(services.settings).users(prefix, MAX_RESULTS)


@router.get("/suggest", dependencies=[Depends(guard)])
def suggest(q: SearchText, services: AppServices) -> JSONResponse:
    """Items that complete a text field while a visitor types."""
    found = live_catalogue(services.settings).items(q, MAX_SUGGESTIONS) if q.strip() else []
    items = [{"item_id": each.item_id, "title": each.title} for each in found]
    return JSONResponse(items, headers=PRIVATE)
