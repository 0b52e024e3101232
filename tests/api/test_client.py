"""The client against the API: a typed method for every route, errors and retries."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import anyio
import httpx
import penchant_client
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from penchant_client import (
    ApiError,
    AsyncClient,
    Client,
    Event,
    InvalidResponse,
    Unreachable,
    now,
)
from typescript_grammar import Declarations

from penchant.api.app import create_app
from penchant.api.clients.python_client import python_modules
from penchant.api.clients.typescript import typescript
from penchant.publishing.publish import publish
from penchant.settings import Settings

ONE = "s-20180102-000000000001"
PACKAGE = Path(penchant_client.__file__).parent


@pytest.fixture
def api(shop: Any) -> FastAPI:
    publish(shop.settings, ONE)
    shop.settings.live_features.flip(ONE)
    return create_app(shop.settings)


@pytest.fixture
def client(api: FastAPI) -> Iterator[Client]:
    server = TestClient(api)

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        got = server.request(
            request.method, path, content=request.read(), headers=dict(request.headers)
        )
        headers = {name: got.headers[name] for name in ("content-type", "x-request-id")}
        return httpx.Response(got.status_code, content=got.content, headers=headers)

    with Client("http://127.0.0.1:6570", transport=httpx.MockTransport(answer)) as client:
        yield client


def viewed(**changes: Any) -> Event:
    given = {"event_id": "e1", "user_id": "u3", "session_id": "s1", "event_type": "view"}
    return Event(**(given | {"event_at": now(), "item_id": "i001"} | changes))


def test_sends_every_kind_of_request(client: Client) -> None:
    shown = client.recommendations("u3", k=3, exclude_bought=True, exclude=["i001"]).items
    assert len(shown) == 3
    click = viewed(item_id=shown[0].item_id, impression_id=shown[0].impression_id)
    assert client.send_events([click]).received == 1
    assert len(client.similar("i007", k=2).items) == 2
    assert client.basket(["i007", "i008"], k=2).items
    assert client.portrait("u3").interests[0].category == "HOME > PANS"
    activity = client.activity("u3")
    assert (activity.latest[0].item_id, activity.latest[0].fresh) == (shown[0].item_id, True)
    assert activity.last_event_at and activity.last_event_at.tzinfo
    rows = client.features([{"item_id": "i001"}], features=["item_profile:title"]).rows
    assert rows == [{"item_id": "i001", "item_profile__title": "TITLE i001 OF 1"}]


def test_asynchronous_client_has_the_same_methods_as_coroutines(api: FastAPI) -> None:
    async def ask() -> tuple[int, str]:
        transport = httpx.ASGITransport(api, client=("testclient", 1))
        async with AsyncClient("http://127.0.0.1:6570", transport=transport) as client:
            received = (await client.send_events([viewed()])).received
            with pytest.raises(ApiError) as raised:
                await client.similar("unknown item")
            return received, raised.value.cause

    received, cause = anyio.run(ask)
    assert received == 1 and "unknown item" in cause
    assert methods(AsyncClient) == methods(Client)


def methods(of: type) -> set[str]:
    return {name for name in vars(of) if not name.startswith("_")}


def test_documented_example_runs(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    page = Path(__file__).parents[2] / "docs" / "service-developers.md"
    (example,) = re.findall(r"## From Python\n\n```python\n(.*?)```", page.read_text(), re.DOTALL)
    monkeypatch.setattr(penchant_client, "Client", lambda url, token: client)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".penchant").mkdir()
    (tmp_path / ".penchant" / "token").write_text("pk_secret")
    exec(example, {})
    assert capsys.readouterr().out.startswith("404 unknown item")


def test_raises_an_error_response_with_its_remedy(client: Client) -> None:
    with pytest.raises(ApiError, match="unknown item") as raised:
        client.similar("unknown item")
    assert raised.value.status == 404 and "pass the item_id" in raised.value.remedy
    with pytest.raises(ApiError, match="k: Input should be less than or equal to 100"):
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
        returned = get_type_hints(method)["return"]
        assert returned.__name__ == route.response_model.__name__, route.path


def test_generated_modules_match_the_openapi_description(settings: Settings) -> None:
    for name, text in python_modules(create_app(settings).openapi()).items():
        assert formatted(text) == (PACKAGE / name).read_text(), f"{name}: run `make client`"


def formatted(text: str) -> str:
    """As ``make client`` formats the modules."""
    path = ["--stdin-filename", str(PACKAGE / "generated.py")]
    for command in (["check", "--quiet", "--select", "F401,I", "--fix"], ["format", "--quiet"]):
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *path, "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        text = ran.stdout
    return text


def test_package_parses_as_python_3_9_and_imports_httpx_alone() -> None:
    allowed = {"penchant_client", "httpx", "anyio", *sys.stdlib_module_names}
    for path in PACKAGE.glob("*.py"):
        tree = ast.parse(path.read_text(), feature_version=(3, 9))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert {name.split(".")[0] for name in names} <= allowed, path.name


def test_typescript_declares_models_and_operations(settings: Settings) -> None:
    """Well formed, with every name declared; no compiler is needed."""
    described = create_app(settings).openapi()
    declared = Declarations(typescript(described)).interfaces
    assert set(described["components"]["schemas"]) >= set(declared) - {"Operations"}
    assert declared["Event"]["event_type"][:2] == ['"view"', '"search"']  # type: ignore[index]
    similar = declared["Operations"]["similar"]
    assert similar["query"]["k"] == "number"  # type: ignore[index]
    assert similar["response"] == "SimilarItems"  # type: ignore[index]


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("export interface A { b: B; }", "not declared: B"),
        ("export interface A { b: string }", "expected ';'"),
        ("export interface A { b-c: string; }", "unexpected '-c"),
        ("export interface A { b: string; b: number; }", "twice"),
        ("/** a */ b */", "unexpected"),
    ],
)
def test_malformed_typescript_is_found(declared: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Declarations(declared)


def test_response_without_a_required_field_names_it() -> None:
    answer = httpx.MockTransport(lambda request: httpx.Response(200, json={"items": []}))
    with (
        Client("http://shop", transport=answer) as client,
        pytest.raises(InvalidResponse, match="SimilarItems: the response has no"),
    ):
        client.similar("i1")


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
    view = viewed()
    late = [httpx.ReadTimeout("late")] * 3
    assert attempts(lambda client: client.similar("i1"), *late) == 3
    assert attempts(lambda client: client.recommendations("u1"), *late) == 1
    assert attempts(lambda client: client.send_events([view]), *late) == 1
    busy = [httpx.Response(429, headers={"retry-after": "0"})] * 3
    assert attempts(lambda client: client.send_events([view]), *busy) == 3
    long = [httpx.Response(503, headers={"retry-after": "60"})] * 3
    assert attempts(lambda client: client.similar("i1"), *long) == 1
    assert attempts(lambda client: client.similar("i1"), *[httpx.Response(404)] * 3) == 1
