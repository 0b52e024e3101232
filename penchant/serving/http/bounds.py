"""Bounds of a request's body, before anything reads it: bytes, and how deep its JSON is nested."""

from http import HTTPStatus
from typing import Any

from penchant.serving.http.problems import problem

MOST_BYTES = 256 << 10
DEEPEST = 12


class Bounds:
    """ASGI middleware: a body that is too large or too deep is refused unread."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MOST_BYTES:
                detail = f"the body has more than {MOST_BYTES:,} bytes"
                refused = problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
                await refused(scope, receive, send)
                return
        if depth(body) > DEEPEST:
            detail = f"the body is nested more than {DEEPEST} deep"
            await problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)(scope, receive, send)
            return
        sent = False

        async def once() -> Any:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, once, send)


def depth(body: bytes) -> int:
    """How deep brackets are nested outside strings, whether or not it is JSON."""
    deepest = level = 0
    inside = escaped = False
    for byte in body:
        if inside:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                inside = False
        elif byte == 0x22:
            inside = True
        elif byte in b"[{":
            level += 1
            deepest = max(deepest, level)
        elif byte in b"]}":
            level -= 1
    return deepest
