"""Compression of large answers, where a client accepts gzip."""

from typing import Any

from starlette.middleware.gzip import GZipMiddleware

MINIMUM_SIZE = 1000  # bytes: a smaller answer fits in one packet anyway
LEVEL = 5


class Compression:
    """ASGI middleware. Pages below ``without`` stay as they are: they hold form tokens, whose
    length compression would betray."""

    def __init__(self, app: Any, without: str) -> None:
        self._app, self._without = app, without
        self._compressed = GZipMiddleware(app, MINIMUM_SIZE, LEVEL)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        plain = scope["type"] != "http" or scope["path"].startswith(self._without)
        await (self._app if plain else self._compressed)(scope, receive, send)
