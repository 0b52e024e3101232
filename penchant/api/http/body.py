"""ASGI middleware that reads a request's body, of limited size, before anything else is done.

Compressed bodies are refused unread, so none can be decompressed into a large one.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

from penchant.api.http.problems import problem_response

MAX_BODY_BYTES = 256 << 10
IDENTITY = b"identity"
BODY_LENGTH = "penchant.body_length"
"""Key of the ASGI scope with the number of bytes of the body."""


class WholeBody:
    """Passes each request on with its whole body in one message; 413 for a larger one, 415 for a
    compressed one."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        coding = headers.get(b"content-encoding", b"").strip().lower()
        if coding not in (b"", IDENTITY):
            await _compressed(coding)(scope, receive, send)
            return
        if _declared_length(headers) > MAX_BODY_BYTES:
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


def _declared_length(headers: Mapping[bytes, bytes]) -> int:
    """Content-Length; 0 without a valid one, which the server rejects."""
    declared = headers.get(b"content-length", b"0")
    return int(declared) if declared.isdigit() and len(declared) < 20 else 0


def _too_large() -> JSONResponse:
    return problem_response(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the body has more than {MAX_BODY_BYTES:,} bytes",
        "split it into several requests",
        {"Connection": "close"},
    )


def _compressed(coding: bytes) -> JSONResponse:
    """``Accept-Encoding`` says what is accepted (RFC 9110, 15.5.16)."""
    return problem_response(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"Content-Encoding must be absent, got {coding[:64].decode('latin-1')!r}",
        "send the body uncompressed",
        {"Accept-Encoding": IDENTITY.decode()},
    )
