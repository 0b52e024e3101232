"""What goes wrong over HTTP, as RFC 9457 problem documents."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from penchant.errors import PenchantError, UsageError
from penchant.settings import Settings

PROBLEM = "application/problem+json"
MOST_TOLD = 10  # mistakes in one answer
LONGEST_PATH = 200  # characters of it
OF_FEATURES = ("/get-online-features", "/v1/features")


class Problem(BaseModel):
    """Of RFC 9457; ``remedy`` is our own member of it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    remedy: str | None = Field(None, description="what to do about it")


class Refused(Exception):
    """A request that is answered with a problem document."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        headers: dict[str, str] | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.remedy = status, detail, headers, remedy


def problem(
    status: HTTPStatus,
    detail: str,
    remedy: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    body = Problem(title=status.phrase, status=status.value, detail=detail, remedy=remedy)
    return JSONResponse(
        body.model_dump(exclude_none=True), status.value, headers, media_type=PROBLEM
    )


def handle(app: FastAPI, settings: Settings) -> None:
    """Let whatever goes wrong be answered with a problem document."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        return problem(error.status, error.detail, error.remedy, error.headers)

    @app.exception_handler(UsageError)
    async def wrong(request: Request, error: UsageError) -> JSONResponse:
        of_features = request.url.path in OF_FEATURES
        pointer = settings.live_features if of_features else settings.live_release
        ready = pointer.current() is not None
        status = HTTPStatus.UNPROCESSABLE_ENTITY if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return problem(status, error.cause, error.remedy)

    @app.exception_handler(PenchantError)
    async def failed(request: Request, error: PenchantError) -> JSONResponse:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, error.cause, error.remedy)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        found = error.errors()
        told = [
            f"{'.'.join(map(str, item['loc'][1:])) or 'body'}: {item['msg']}"
            for item in found[:MOST_TOLD]
        ]
        more = len(found) - len(told)
        wrong = "; ".join([*told, f"and {more} more"] if more else told)
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, wrong)

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, error: HTTPException) -> JSONResponse:
        """No such path, or not with that method."""
        detail = f"{request.method} {request.url.path[:LONGEST_PATH]}: {error.detail}"
        return problem(
            HTTPStatus(error.status_code), detail, "/docs lists every route", error.headers
        )

    @app.exception_handler(Exception)
    async def our_fault(request: Request, error: Exception) -> JSONResponse:
        """Its traceback goes to the server's log, never to the client."""
        return problem(
            HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed", "its log says how; report it"
        )
