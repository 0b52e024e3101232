"""The services of ``make up``: which run, and which ended."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from penchant.api.console.render import page
from penchant.api.console.session import READ_SCOPES, RequireVisitor, Visitor
from penchant.api.http.services import AppServices
from penchant.serving.platform_services import platform_services

router = APIRouter()


@router.get("/platform")
def services_page(
    request: Request,
    visitor: Annotated[Visitor, Depends(RequireVisitor(READ_SCOPES))],
    services: AppServices,
) -> HTMLResponse:
    found = platform_services(services.settings.home)
    return page(request, "platform.html", visitor, services=found)
