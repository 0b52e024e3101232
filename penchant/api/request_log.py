"""What every request leaves behind: numbers for Prometheus, and a line in the audit log."""

import time
from typing import Any

from penchant.api.auth.audit_log import AuditLog, now
from penchant.api.metrics import Metrics

UNKNOWN_ROUTE = "none"  # nothing has that path, or it was refused before a route was found


class Watch:
    """ASGI middleware around all others; what it leaves is there before the answer leaves."""

    def __init__(self, app: Any, metrics: Metrics, audit: AuditLog) -> None:
        self._app, self._metrics, self._audit = app, metrics, audit

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        arrived = time.perf_counter()
        scope.setdefault("state", {})
        left, outer = False, scope.get("root_path", "")

        def leave(status: int) -> None:
            nonlocal left
            left = True
            route = _route(scope, outer)
            self._metrics.answered(route, scope["method"], status, time.perf_counter() - arrived)
            self._write(scope, route, status)

        async def watched(message: Any) -> None:
            if message["type"] == "http.response.start":
                leave(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            if not left:  # the server answers it, outside all middleware
                leave(500)
            raise

    def _write(self, scope: Any, route: str, status: int) -> None:
        asked = scope["state"].get("asked")
        if asked is not None:
            line = {
                "token": asked.token_id,
                "client": scope["client"][0] if scope.get("client") else None,
                "method": scope["method"],
                "route": route,
                "scope": asked.scope,
                "allowed": asked.allowed,
                "status": status,
                "entities": asked.entities,
            }
            self._audit.write(line, now())


def _route(scope: Any, outer: str) -> str:
    """The template that was found; of an application that is mounted, with where that is."""
    path = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
    mounted = scope.get("root_path", "").removeprefix(outer)
    return path if path == mounted else f"{mounted}{path}"
