"""Error responses: RFC 9457 problem documents."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from penchant.api.http.validation import cause_and_remedy
from penchant.api_schemas import Problem
from penchant.errors import PenchantError, UnknownId, UsageError, is_disk_full
from penchant.settings import Settings

FULL_RETRY_SECONDS = 30
PROBLEM_JSON = "application/problem+json"
MAX_REPORTED_PATH = 200  # characters
UNKNOWN_USER: dict[int | str, dict[str, Any]] = {404: {"description": "Unknown user."}}
UNKNOWN_ITEM: dict[int | str, dict[str, Any]] = {404: {"description": "Unknown item."}}
FEAST_PATH = "/get-online-features"
FEATURE_PATHS = (FEAST_PATH, "/v1/features")


class HTTPProblem(Exception):
    """Ends a request with a problem document."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        headers: dict[str, str] | None = None,
        *,
        remedy: str,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.remedy = status, detail, headers, remedy


def problem_response(
    status: HTTPStatus,
    detail: str,
    remedy: str,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    body = Problem(title=status.phrase, status=status.value, detail=detail, remedy=remedy)
    return JSONResponse(
        body.model_dump(exclude_none=True), status.value, headers, media_type=PROBLEM_JSON
    )


def _answer(
    request: Request,
    status: HTTPStatus,
    detail: str,
    remedy: str,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A problem document; for Feast's clients an error that they raise again as a FeastError."""
    accepted = request.headers.get("accept", "")
    if request.url.path == FEAST_PATH and PROBLEM_JSON not in accepted:
        message = f"{detail}; {remedy}"
        error = {"module": "feast.errors", "class": "FeastError", "message": message}
        return JSONResponse(json.dumps(error), status.value, headers)
    return problem_response(status, detail, remedy, headers)


def _methods(request: Request) -> set[str]:
    """The methods of all routes of a path: a router knows those of the first alone."""
    routes = [route for route in request.app.routes if isinstance(route, APIRoute)]
    return {
        method for route in routes if route.path == request.url.path for method in route.methods
    }


def add_exception_handlers(app: FastAPI, settings: Settings) -> None:
    """Answer every exception with a problem document."""

    @app.exception_handler(HTTPProblem)
    async def http_problem(request: Request, error: HTTPProblem) -> JSONResponse:
        return _answer(request, error.status, error.detail, error.remedy, error.headers)

    @app.exception_handler(UsageError)
    async def usage_error(request: Request, error: UsageError) -> JSONResponse:
        """404 for an unknown id, else 422, or 503 while nothing is live that could answer."""
        reads_features = request.url.path in FEATURE_PATHS
        pointer = settings.live_features if reads_features else settings.live_release
        ready = pointer.current() is not None
        status = HTTPStatus.SERVICE_UNAVAILABLE
        if ready:
            unknown = isinstance(error, UnknownId)
            status = HTTPStatus.NOT_FOUND if unknown else HTTPStatus.UNPROCESSABLE_ENTITY
        return _answer(request, status, error.cause, error.remedy)

    @app.exception_handler(PenchantError)
    async def penchant_error(request: Request, error: PenchantError) -> JSONResponse:
        return _answer(request, HTTPStatus.SERVICE_UNAVAILABLE, error.cause, error.remedy)

    @app.exception_handler(RequestValidationError)
    async def validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
        cause, remedy = cause_and_remedy(error.errors())
        return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, cause, remedy)

    @app.exception_handler(HTTPException)
    async def no_such_route(request: Request, error: HTTPException) -> JSONResponse:
        detail = f"{request.method} {request.url.path[:MAX_REPORTED_PATH]}: {error.detail}"
        status, headers = HTTPStatus(error.status_code), error.headers
        if status is HTTPStatus.METHOD_NOT_ALLOWED and (allowed := _methods(request)):
            headers = {"allow": ", ".join(sorted(allowed))}
        return _answer(request, status, detail, "/docs lists every route", headers)

    @app.exception_handler(OSError)
    async def disk_full(request: Request, error: OSError) -> JSONResponse:
        """507 where nothing can be written; nothing of the request was stored."""
        if not is_disk_full(error):
            raise error
        return problem_response(
            HTTPStatus.INSUFFICIENT_STORAGE,
            "the server's disk is full; nothing of this request was stored",
            "send it again later; on the server, free space in the home",
            {"Retry-After": str(FULL_RETRY_SECONDS)},
        )

    @app.exception_handler(Exception)
    async def unexpected_error(request: Request, error: Exception) -> JSONResponse:
        """The traceback goes to the server's log, never to the client."""
        return _answer(
            request,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "internal server error",
            "report it with the traceback from the server's log",
        )
