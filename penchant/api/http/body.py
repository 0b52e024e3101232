"""ASGI middleware that reads a request's body, of limited size, before anything else is done."""

from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

from penchant.api.http.problems import problem_response

MAX_BODY_BYTES = 256 << 10
BODY_LENGTH = "penchant.body_length"
"""Key of the ASGI scope with the number of bytes of the body."""


class WholeBody:
    """Passes each request on with its whole body in one message; 413 for a larger one."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _declared_length(scope) > MAX_BODY_BYTES:
            await _too_large()(scope, receive, send)
            return
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MAX_BODY_BYTES:
                await _too_large()(scope, receive, send)
                return
        scope[BODY_LENGTH] = len(body)
        await self._app(scope, replayed(bytes(body), receive), send)


def replayed(body: bytes, receive: Any) -> Any:
    """An ASGI ``receive`` that gives the body once, then what follows it."""
    given = False

    async def replay() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _declared_length(scope: Any) -> int:
    """Content-Length; 0 without a valid one, which the server rejects."""
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    return int(declared) if declared.isdigit() and len(declared) < 20 else 0


def _too_large() -> JSONResponse:
    return problem_response(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the body has more than {MAX_BODY_BYTES:,} bytes",
        "split it into several requests",
        {"Connection": "close"},
    )
