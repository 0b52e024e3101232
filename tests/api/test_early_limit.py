"""Clients above their rate are answered before any work, and late."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from penchant.api.server import early_limit
from penchant.api.server.connection import HELD_BACK
from penchant.api.server.early_limit import REJECTED_UNITS, EarlyLimit


def test_holds_a_flood_back_and_counts_rejections(monkeypatch: pytest.MonkeyPatch) -> None:
    left, reached, held_back, delays = [2.0], list[str](), list[str](), list[float]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])
        await send({"type": "http.response.start", "status": 422, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def sleep(seconds: float) -> None:
        delays.append(seconds)

    def charge(client: str, units: float) -> None:
        assert (client, units) == ("c", REJECTED_UNITS)
        left[0] -= units

    monkeypatch.setattr(early_limit.asyncio, "sleep", sleep)
    limited = EarlyLimit(app, lambda scope: "c", lambda client: max(0.0, -left[0]), charge)

    async def over_a_socket(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope["extensions"] = {HELD_BACK: lambda: held_back.append(scope["path"])}
        await limited(scope, receive, send)

    client = TestClient(over_a_socket)
    assert [client.get(path).status_code for path in ("/a", "/b", "/healthz")] == [422, 429, 422]
    assert (reached, held_back, delays) == (["/a", "/healthz"], ["/b"], [1.0])
