"""Middleware that records every request: in the metrics and, if it is guarded, in the audit log."""

import time
from typing import Any

from penchant.api.auth.audit_context import AuditContext
from penchant.api.auth.audit_log import AuditLog, now
from penchant.api.error_alarm import ErrorAlarm
from penchant.api.http.metrics import Metrics
from penchant.api.http.rate_limit import RATE_LIMIT
from penchant.api.http.request_id import HEADER, request_id

UNKNOWN_ROUTE = "none"  # no route has the path, or the request was rejected before routing


class RequestLog:
    """Outermost ASGI middleware. A request is recorded before its response is sent."""

    def __init__(self, app: Any, metrics: Metrics, audit: AuditLog, alarm: ErrorAlarm) -> None:
        self._app, self._metrics, self._audit, self._alarm = app, metrics, audit, alarm

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        arrived = time.perf_counter()
        scope.setdefault("state", {})
        recorded, root_path, method = False, scope.get("root_path", ""), scope["method"]
        identity = request_id(scope)

        def record(status: int) -> None:
            nonlocal recorded
            recorded = True
            route, seconds = _route(scope, root_path), time.perf_counter() - arrived
            self._metrics.record_request(route, method, status, seconds)
            self._alarm.record(status)
            self._write_audit(scope, method, route, status, identity)

        async def record_and_send(message: Any) -> None:
            if message["type"] == "http.response.start":
                record(message["status"])
                added = [(HEADER, identity.encode()), *scope["state"].get(RATE_LIMIT, ())]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        try:
            await self._app(scope, receive, record_and_send)
        except Exception:
            if not recorded:  # the server responds to it, outside all middleware
                record(500)
            raise

    def _write_audit(self, scope: Any, method: str, route: str, status: int, identity: str) -> None:
        context: AuditContext | None = scope["state"].get("audit")
        if context is not None:
            line = {
                "token": context.token_id,
                "client": scope["client"][0] if scope.get("client") else None,
                "request_id": identity,
                "method": method,
                "route": route,
                "scope": context.scope,
                "allowed": context.allowed,
                "status": status,
                "entities": context.entities,
            }
            self._audit.write(line, now())


def _route(scope: Any, root_path: str) -> str:
    """The matched path template, with the prefix of a mounted application."""
    path = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
    mounted = scope.get("root_path", "").removeprefix(root_path)
    return path if path == mounted else f"{mounted}{path}"
