"""ETag, 304 and HEAD: what clients and proxies save where an answer is the same for everybody."""

import hashlib
from collections.abc import Collection
from typing import Any

CACHEABLE = ("/v1/latest", "/v1/popular", "/v1/similar", "/v1/trending", "/openapi.json")
"""Routes whose answer depends on the release and the query alone."""
MAX_AGE = 60  # seconds: a new release is seen after at most as many
_PRIVATE = f"private, max-age={MAX_AGE}".encode()  # a shared cache knows nothing of scopes


class ConditionalRequests:
    """ASGI middleware: tags the successful answers of ``CACHEABLE``, and answers 304 without a body
    to a request that names the tag. The tag is weak: compression doesn't change it."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in CACHEABLE:
            await self._app(scope, receive, send)
            return
        start: Any = None
        parts: list[bytes] = []

        async def collect(message: Any) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            parts.append(message.get("body", b""))
            if message.get("more_body"):
                return
            body = b"".join(parts)
            if start["status"] == 200:
                tag = b'W/"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
                headers = [*start["headers"], (b"etag", tag), (b"cache-control", _PRIVATE)]
                if _names(scope, tag):
                    kept = [each for each in headers if not each[0].startswith(b"content-")]
                    start, body = {**start, "status": 304, "headers": kept}, b""
                else:
                    start = {**start, "headers": headers}
            await send(start)
            await send({"type": "http.response.body", "body": body})

        await self._app(scope, receive, collect)


class HeadRequests:
    """ASGI middleware: answers HEAD as GET, without the body. ``paths``: of GET routes that change
    nothing; elsewhere HEAD is not allowed."""

    def __init__(self, app: Any, paths: Collection[str]) -> None:
        self._app, self._paths = app, frozenset(paths)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"] not in self._paths:
            await self._app(scope, receive, send)
            return
        scope["method"] = "GET"

        async def without_body(message: Any) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app(scope, receive, without_body)


def _names(scope: Any, tag: bytes) -> bool:
    """Whether ``If-None-Match`` has the tag, by weak comparison (RFC 9110, 8.8.3.2)."""
    given = b",".join(value for name, value in scope["headers"] if name == b"if-none-match")
    named = [each.strip().removeprefix(b"W/") for each in given.split(b",")]
    return b"*" in named or tag.removeprefix(b"W/") in named
