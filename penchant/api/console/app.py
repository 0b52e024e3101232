"""The console as an application: its pages, and error pages."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse

from penchant.api.auth.access import AccessControl
from penchant.api.console import (
    assets,
    competitors,
    families,
    insights,
    items,
    login,
    monitoring,
    platform,
    releases,
    search,
    users,
    voice,
    what_if,
)
from penchant.api.console.render import page
from penchant.api.console.session import Visitor, visitor_of
from penchant.api.http.problems import HTTPProblem
from penchant.api.http.services import Services
from penchant.errors import PenchantError, UsageError
from penchant.serving.status import status
from penchant.settings import Settings

PAGES = (
    search,
    users,
    items,
    what_if,
    insights,
    voice,
    competitors,
    releases,
    families,
    monitoring,
    platform,
    login,
    assets,
)
NAVIGATION = {
    "": "Search",
    "insights": "Insights",
    "voice": "Reviews",
    "competitors": "Competitors",
    "releases": "Releases",
    "families": "Families",
    "monitoring": "Monitoring",
    "platform": "Platform",
}


def create_console(services: Services, access: AccessControl) -> FastAPI:
    """The application to mount at ``/console``."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.services, app.state.access, app.state.navigation = services, access, NAVIGATION
    for module in PAGES:
        app.include_router(module.router)
    _add_exception_handlers(app, services.settings)
    return app


def _add_exception_handlers(app: FastAPI, settings: Settings) -> None:
    @app.exception_handler(HTTPProblem)
    def http_problem(request: Request, error: HTTPProblem) -> HTMLResponse:
        if error.status == HTTPStatus.UNAUTHORIZED:
            return login.login_required(request, error)
        title = error.status.phrase
        return error_page(request, error.status, title, error.detail, error.remedy, error.headers)

    @app.exception_handler(PenchantError)
    def penchant_error(request: Request, error: PenchantError) -> HTMLResponse:
        if settings.live_release.current() is None:
            code, title = HTTPStatus.SERVICE_UNAVAILABLE, "Nothing is published yet"
        elif isinstance(error, UsageError):
            code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid request"
        else:
            code, title = HTTPStatus.INTERNAL_SERVER_ERROR, "Server error"
        return error_page(request, code, title, error.cause, error.remedy)

    @app.exception_handler(RequestValidationError)
    def validation_error(request: Request, error: RequestValidationError) -> HTMLResponse:
        causes = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
        return error_page(
            request,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "Invalid request",
            f"Invalid address: {causes}",
        )

    @app.exception_handler(HTTPStatus.NOT_FOUND)
    def not_found(request: Request, error: Exception) -> HTMLResponse:
        cause = "There is no page at this address"
        return error_page(request, HTTPStatus.NOT_FOUND, "Page not found", cause)

    @app.exception_handler(Exception)
    def unexpected_error(request: Request, error: Exception) -> HTMLResponse:
        """The traceback goes to the server's log, never to the page."""
        return error_page(
            request,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "Server error",
            "The request failed",
            "report it with the traceback from the server's log",
        )

    def error_page(
        request: Request,
        code: HTTPStatus,
        title: str,
        cause: str,
        remedy: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> HTMLResponse:
        visitor = _visitor_or_none(request)
        unpublished = code == HTTPStatus.SERVICE_UNAVAILABLE and visitor is not None
        return page(
            request,
            "error.html",
            visitor,
            code,
            headers,
            title=title,
            cause=cause.rstrip("."),
            remedy=remedy,
            missing=status(settings)["missing"] if unpublished else [],
        )


def _visitor_or_none(request: Request) -> Visitor | None:
    try:
        return visitor_of(request)
    except HTTPProblem:
        return None
