"""The releases on disk, what each was made of, and the rollback."""

from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from penchant.api.console.forms import Form
from penchant.api.console.render import page
from penchant.api.console.session import (
    READ_SCOPES,
    RequireVisitor,
    Visitor,
    require_csrf_token,
    require_same_origin,
)
from penchant.api.http.services import AppServices
from penchant.errors import UsageError
from penchant.releases.release import on_disk

log = structlog.get_logger()
router = APIRouter()


@router.get("/releases")
def releases(
    request: Request,
    visitor: Annotated[Visitor, Depends(RequireVisitor(READ_SCOPES))],
    services: AppServices,
    done: str = "",
) -> HTMLResponse:
    pointer = services.settings.live_release
    if pointer.current() is None:
        raise UsageError("no release is live yet", "run `penchant publish` first")
    return page(
        request,
        "releases.html",
        visitor,
        releases=on_disk(services.settings),
        live=pointer.current(),
        previous=pointer.previous(),
        done=done,
    )


@router.post("/rollback", dependencies=[Depends(require_same_origin)])
def roll_back(
    form: Form,
    visitor: Annotated[Visitor, Depends(RequireVisitor(("admin",)))],
    services: AppServices,
) -> RedirectResponse:
    """Roll back from the release that the page showed as live to the one before it."""
    from penchant.releases.rollback import rollback

    require_csrf_token(visitor, form)
    report = rollback(services.settings, leaving=form.get("live", ""))
    log.info("rolled back", token=visitor.token.id, left=report.left, live=report.release_id)
    return RedirectResponse(f"releases?done={report.release_id}", HTTPStatus.SEE_OTHER.value)
