"""The client against the API: a typed method for every route, errors and retries."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import httpx
import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from penchant import client as client_module
from penchant.api.app import create_app
from penchant.client import ApiError, Client, Event, Unreachable, now
from penchant.errors import UsageError
from penchant.publishing.publish import publish
from penchant.settings import Settings

ONE = "s-20180102-000000000001"


@pytest.fixture
def client(shop: Any) -> Iterator[Client]:
    publish(shop.settings, ONE)
    shop.settings.live_features.flip(ONE)
    api = TestClient(create_app(shop.settings))

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        got = api.request(
            request.method, path, content=request.read(), headers=dict(request.headers)
        )
        return httpx.Response(got.status_code, content=got.content, headers=dict(got.headers))

    with Client("http://127.0.0.1:6570", transport=httpx.MockTransport(answer)) as client:
        yield client


def test_sends_every_kind_of_request(client: Client) -> None:
    shown = client.recommendations("u3", k=3, exclude_bought=True).items
    assert len(shown) == 3
    viewed = Event(
        event_id="e1",
        user_id="u3",
        session_id="s1",
        event_type="view",
        event_at=now(),
        item_id=shown[0].item_id,
        impression_id=shown[0].impression_id,
    )
    assert client.send_events([viewed]).received == 1
    assert len(client.similar("i007", k=2).items) == 2
    assert client.basket(["i007", "i008"], k=2).items
    assert client.portrait("u3").interests[0].category == "HOME > PANS"
    (latest, *_) = client.activity("u3").latest
    assert (latest.item_id, latest.fresh) == (shown[0].item_id, True)
    rows = client.features(["item_profile:title"], [{"item_id": "i001"}]).rows
    assert rows == [{"item_id": "i001", "item_profile__title": "TITLE i001 OF 1"}]


def test_documented_example_runs(
    client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Path(__file__).parents[2] / "docs" / "service-developers.md"
    (example,) = re.findall(r"## From Python\n\n```python\n(.*?)```", page.read_text(), re.DOTALL)
    monkeypatch.setattr(client_module, "Client", lambda url, token: client)
    exec(example, {})
    assert capsys.readouterr().out.startswith("422 item 'no such item'")


def test_raises_an_error_response_with_its_remedy(client: Client) -> None:
    with pytest.raises(ApiError, match="has no vector") as raised:
        client.similar("unknown item")
    assert raised.value.status == 422 and "pass an item" in raised.value.remedy


def test_rejects_invalid_arguments_before_sending(client: Client) -> None:
    with pytest.raises(UsageError, match=r"colour: Extra inputs") as raised:
        client.recommendations("u3", colour="red")
    assert "exclude_bought" in raised.value.remedy
    with pytest.raises(UsageError, match=r"k: Input should be less than or equal to 100"):
        client.recommendations("u3", k=101)


def test_every_v1_route_has_a_client_method_with_its_response_model(settings: Settings) -> None:
    routes = [
        route
        for route in create_app(settings).routes
        if isinstance(route, APIRoute) and route.path.startswith("/v1/")
    ]
    assert len(routes) >= 8
    for route in routes:
        method = getattr(Client, route.operation_id or route.unique_id, None)
        assert method is not None, f"{route.path} has no client method {route.unique_id}"
        assert get_type_hints(method)["return"] is route.response_model, route.path


def attempts(send: Callable[[Client], Any], *answers: httpx.Response | Exception) -> int:
    """Number of times that a request is sent to a server with these responses."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    with (
        Client("http://shop", transport=httpx.MockTransport(answer)) as client,
        pytest.raises((ApiError, Unreachable)),
    ):
        send(client)
    return len(answers) - len(left)


def test_retries_only_requests_without_side_effects() -> None:
    view = Event(
        event_id="e1",
        user_id="u1",
        session_id="s1",
        event_type="view",
        event_at=now(),
        item_id="i1",
    )
    late = [httpx.ReadTimeout("late")] * 3
    assert attempts(lambda client: client.similar("i1"), *late) == 3
    assert attempts(lambda client: client.recommendations("u1"), *late) == 1
    assert attempts(lambda client: client.send_events([view]), *late) == 1
    busy = [httpx.Response(429, headers={"retry-after": "0"})] * 3
    assert attempts(lambda client: client.send_events([view]), *busy) == 3
    long = [httpx.Response(503, headers={"retry-after": "60"})] * 3
    assert attempts(lambda client: client.similar("i1"), *long) == 1
    assert attempts(lambda client: client.similar("i1"), *[httpx.Response(404)] * 3) == 1


def test_imports_no_heavy_library() -> None:
    heavy = "import sys, penchant.client; print({'feast', 'torch', 'pandas'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
