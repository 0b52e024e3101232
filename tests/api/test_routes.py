"""Every route that the API has, and the scope that each needs: a new one is written down here."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.routing import Mount, Route

from penchant.api.app import create_app
from penchant.api.console.session import Sessions
from penchant.api.openapi import scope_of
from penchant.settings import Settings

OPEN = {("GET", "/healthz"), ("GET", "/readyz")}
NEEDS = {
    ("GET", "/metrics"): "metrics:read",
    ("GET", "/v1/activity"): "features:read:direct",
    ("GET", "/v1/ads"): "recommendations:read",
    ("GET", "/v1/basket"): "recommendations:read",
    ("GET", "/v1/portrait"): "features:read",
    ("GET", "/v1/recommendations"): "recommendations:read",
    ("GET", "/v1/similar"): "recommendations:read",
    ("POST", "/get-online-features"): "features:read",
    ("POST", "/v1/events"): "events:write",
    ("POST", "/v1/features"): "features:read",
}
OPEN_PAGES = {"/login", "/logout", "/static/console.css", "/static/console.js", "/static/icon.svg"}
DESCRIBE = {"/docs", "/docs/oauth2-redirect", "/openapi.json"}


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


def test_every_route_needs_the_scope_that_is_written_here(app: FastAPI) -> None:
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    found = {(method, route.path): scope_of(route) for route in routes for method in route.methods}
    assert found == NEEDS | dict.fromkeys(OPEN)
    others = {route.path for route in app.routes if type(route) is Route}
    assert others == DESCRIBE


def test_the_pages_that_a_stranger_gets_are_these(app: FastAPI) -> None:
    (mounted,) = (route for route in app.routes if isinstance(route, Mount))
    assert mounted.path == "/console"
    assert isinstance(mounted.app, FastAPI)
    pages = [route for route in mounted.app.routes if isinstance(route, APIRoute)]
    guard = Sessions.needs.__qualname__
    unguarded = {
        route.path
        for route in pages
        if not any(
            getattr(each.call, "__qualname__", "").startswith(guard)
            for each in route.dependant.dependencies
        )
    }
    assert unguarded == OPEN_PAGES
    assert len(app.routes) == len(NEEDS) + len(OPEN) + len(DESCRIBE) + 1


def test_nothing_of_feasts_that_writes_has_a_route(app: FastAPI) -> None:
    client = TestClient(app)
    for path in ("/push", "/write-to-online-store", "/materialize", "/materialize-incremental"):
        assert client.post(path, json={}).status_code == 404


def test_the_description_says_how_each_route_refuses(app: FastAPI) -> None:
    schema = TestClient(app).get("/openapi.json").json()
    for (method, path), scope in (NEEDS | dict.fromkeys(OPEN)).items():
        operation: dict[str, Any] = schema["paths"][path][method.lower()]
        refusals = {status for status in operation["responses"] if status[0] in "45"}
        assert refusals >= ({"413", "422", "503"} | ({"401", "403", "429"} if scope else set()))
        assert all(
            list(operation["responses"][status]["content"]) == ["application/problem+json"]
            for status in refusals
        )
        assert operation.get("security") == ([{"bearer": [scope]}] if scope else None)
    assert "HTTPValidationError" not in str(schema["paths"])


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/v1/events", 405)]
)
def test_what_is_not_there_is_a_problem_too(
    app: FastAPI, method: str, path: str, status: int
) -> None:
    answer = TestClient(app).request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert path in answer.json()["detail"]
    assert status == 404 or answer.headers["allow"] == "POST"
