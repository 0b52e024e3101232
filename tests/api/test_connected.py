"""Nothing is logged as shown to a client that has gone."""

from typing import Any

import pytest
from fastapi import Request
from fastapi.testclient import TestClient

from penchant.api.app import create_app
from penchant.api.http.problems import HTTPProblem
from penchant.api.server.connected import require_connected
from penchant.api.server.connection import CONNECTED
from penchant.publishing.publish import publish

ONE = "s-20180102-000000000001"


def request(connected: bool) -> Request:
    return Request({"type": "http", "extensions": {CONNECTED: lambda: connected}})


def test_requires_a_connected_client() -> None:
    require_connected(request(connected=True))
    require_connected(Request({"type": "http"}))
    with pytest.raises(HTTPProblem, match="disconnected"):
        require_connected(request(connected=False))


@pytest.mark.parametrize("path", ["/v1/recommendations?", "/v1/basket?item_id=i001&"])
def test_logs_nothing_for_a_client_that_has_gone(shop: Any, path: str) -> None:
    publish(shop.settings, ONE)
    path += "user_id=u3"
    app = create_app(shop.settings)

    async def gone(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "extensions": {CONNECTED: lambda: False}}, receive, send)

    assert TestClient(gone).get(path).status_code == 408
    assert not (shop.settings.feedback / "impressions").exists()
    assert TestClient(app).get(path).status_code == 200
    assert (shop.settings.feedback / "impressions").exists()
