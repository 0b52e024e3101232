"""The console as an application: its pages, its files, and how it answers what goes wrong."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse

from penchant.api.auth.access import Access
from penchant.api.console import families, item, login, search, static
from penchant.api.console import releases as releases
from penchant.api.console import user as user
from penchant.api.console import what_if as suppose
from penchant.api.console.render import page
from penchant.api.console.session import Sessions, Visitor
from penchant.api.http.problems import Refused
from penchant.errors import PenchantError, UsageError
from penchant.serving.fresh_events.events import FreshEvents
from penchant.serving.service import RecommendationService
from penchant.serving.status import status
from penchant.settings import Settings


def console(
    settings: Settings, access: Access, service: RecommendationService, events: FreshEvents
) -> FastAPI:
    """The application to mount at ``/console``, over the reader that services ask."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    sessions = Sessions(access)
    search.add(app, settings, sessions)
    user.add(app, settings, sessions, service, events)
    suppose.add(app, settings, sessions, service, events)
    item.add(app, settings, sessions, service)
    releases.add(app, settings, sessions)
    families.add(app, settings, sessions)
    login.add(app, sessions)
    static.add(app)

    @app.exception_handler(Refused)
    def refused(request: Request, error: Refused) -> HTMLResponse:
        if error.status == HTTPStatus.UNAUTHORIZED:
            return login.ask(request, error)
        heading = error.status.phrase
        return _wrong(request, error.status, heading, error.detail, error.remedy, error.headers)

    @app.exception_handler(PenchantError)
    def failed(request: Request, error: PenchantError) -> HTMLResponse:
        if settings.live_release.current() is None:
            code, heading = HTTPStatus.SERVICE_UNAVAILABLE, "Nothing is published yet"
        elif isinstance(error, UsageError):
            code, heading = HTTPStatus.UNPROCESSABLE_ENTITY, "That can't be"
        else:
            code, heading = HTTPStatus.INTERNAL_SERVER_ERROR, "Something is wrong here"
        return _wrong(request, code, heading, error.cause, error.remedy)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> HTMLResponse:
        wrong = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
        code = HTTPStatus.UNPROCESSABLE_ENTITY
        return _wrong(request, code, "That can't be", f"The address is wrong: {wrong}", None)

    @app.exception_handler(HTTPStatus.NOT_FOUND)
    def unknown(request: Request, error: Exception) -> HTMLResponse:
        code = HTTPStatus.NOT_FOUND
        return _wrong(request, code, "No such page", "There is no page at this address", None)

    @app.exception_handler(Exception)
    def our_fault(request: Request, error: Exception) -> HTMLResponse:
        """Its traceback goes to the server's log, never to the page."""
        code, heading = HTTPStatus.INTERNAL_SERVER_ERROR, "Something is wrong here"
        return _wrong(request, code, heading, "The server failed", "its log says how; report it")

    def _wrong(
        request: Request,
        code: HTTPStatus,
        heading: str,
        cause: str,
        remedy: str | None,
        headers: dict[str, str] | None = None,
    ) -> HTMLResponse:
        visitor = _known(request)
        empty = code == HTTPStatus.SERVICE_UNAVAILABLE and visitor is not None
        missing = status(settings)["missing"] if empty else []
        return page(
            "error.html",
            visitor,
            code,
            headers,
            heading=heading,
            cause=cause.rstrip("."),
            remedy=remedy,
            missing=missing,
        )

    def _known(request: Request) -> Visitor | None:
        """The visitor, for a page that also a stranger gets."""
        try:
            return sessions.visitor(request)
        except Refused:
            return None

    return app
