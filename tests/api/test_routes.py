"""Every route and the scope that it requires; a new route is added to this list."""

import re
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.routing import Mount, Route

from penchant.api.app import create_app
from penchant.api.console.session import RequireVisitor
from penchant.api.openapi import TAGS, scope_of
from penchant.settings import Settings

PUBLIC = {("GET", "/healthz"), ("GET", "/livez"), ("GET", "/readyz")}
SCOPES = {
    ("GET", "/metrics"): "metrics:read",
    ("GET", "/v1/activity"): "features:read:direct",
    ("GET", "/v1/ads"): "recommendations:read",
    ("GET", "/v1/demand"): "insights:read",
    ("GET", "/v1/fading"): "features:read:direct",
    ("GET", "/v1/retention"): "features:read:quasi",
    ("GET", "/v1/search"): "recommendations:read",
    ("GET", "/v1/audience"): "features:read:direct",
    ("GET", "/v1/campaign_users"): "features:read:direct",
    ("GET", "/v1/campaigns"): "insights:read",
    ("GET", "/v1/restock"): "insights:read",
    ("GET", "/v1/competitors"): "insights:read",
    ("GET", "/v1/voice"): "features:read:quasi",
    ("GET", "/v1/answers"): "features:read:quasi",
    ("GET", "/v1/basket"): "recommendations:read",
    ("GET", "/v1/portrait"): "features:read:quasi",
    ("GET", "/v1/recommendations"): "recommendations:read",
    ("GET", "/v1/similar"): "recommendations:read",
    ("GET", "/v1/latest"): "recommendations:read",
    ("GET", "/v1/popular"): "recommendations:read",
    ("GET", "/v1/segment"): "features:read:quasi",
    ("GET", "/v1/trending"): "recommendations:read",
    ("DELETE", "/v1/subjects/objection"): "privacy:admin",
    ("GET", "/v1/subjects/export"): "privacy:admin",
    ("GET", "/v1/subjects/receipt"): "privacy:admin",
    ("GET", "/v1/subjects/requests"): "privacy:admin",
    ("POST", "/v1/subjects/requests"): "privacy:admin",
    ("POST", "/get-online-features"): "features:read",
    ("POST", "/v1/events"): "events:write",
    ("POST", "/v1/features"): "features:read",
    ("DELETE", "/v1/events"): "events:write",
    ("GET", "/v1/events"): "features:read:direct",
    ("POST", "/v1/events/import"): "events:write",
    ("PUT", "/v1/items"): "items:write",
    ("PUT", "/v1/users"): "users:write",
    ("POST", "/v1/rank"): "recommendations:read",
    ("POST", "/v1/recommendations"): "recommendations:read",
}
PUBLIC_PAGES = {
    "/login",
    "/logout",
    "/static/console.css",
    "/static/console.js",
    "/static/icon.svg",
}
DOCUMENTATION = {"/docs", "/openapi.json"}


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


def test_every_route_requires_its_scope(app: FastAPI) -> None:
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    found = {(method, route.path): scope_of(route) for route in routes for method in route.methods}
    assert found == SCOPES | dict.fromkeys(PUBLIC)
    others = {route.path for route in app.routes if type(route) is Route}
    assert others == DOCUMENTATION


def test_console_pages_without_login_are_these(app: FastAPI) -> None:
    (mounted,) = (route for route in app.routes if isinstance(route, Mount))
    assert mounted.path == "/console"
    assert isinstance(mounted.app, FastAPI)
    pages = [route for route in mounted.app.routes if isinstance(route, APIRoute)]
    unguarded = {
        route.path
        for route in pages
        if not any(isinstance(each.call, RequireVisitor) for each in route.dependant.dependencies)
    }
    assert unguarded == PUBLIC_PAGES
    assert len(app.routes) == len(SCOPES) + len(PUBLIC) + len(DOCUMENTATION) + 1


def test_feast_routes_that_write_do_not_exist(app: FastAPI) -> None:
    client = TestClient(app)
    for path in ("/push", "/write-to-online-store", "/materialize", "/materialize-incremental"):
        assert client.post(path, json={}).status_code == 404


def test_openapi_lists_scope_and_errors_of_each_route(app: FastAPI) -> None:
    schema = TestClient(app).get("/openapi.json").json()
    for (method, path), scope in (SCOPES | dict.fromkeys(PUBLIC)).items():
        operation: dict[str, Any] = schema["paths"][path][method.lower()]
        errors = {status for status in operation["responses"] if status[0] in "45"}
        assert errors >= ({"413", "422", "503"} | ({"401", "403", "429"} if scope else set()))
        types = ["application/problem+json"]
        if path == "/get-online-features":
            types.append("application/json")  # what Feast's client reads
        assert all(list(operation["responses"][status]["content"]) == types for status in errors)
        assert operation.get("security") == ([{"bearer": [scope]}] if scope else None)
    assert "HTTPValidationError" not in str(schema["paths"])


def test_openapi_describes_operations_by_tag_and_client_method(app: FastAPI) -> None:
    schema = TestClient(app).get("/openapi.json").json()
    operations = [
        operation for methods in schema["paths"].values() for operation in methods.values()
    ]
    assert [tag["name"] for tag in schema["tags"]] == list(TAGS)
    assert {tag for operation in operations for tag in operation["tags"]} == set(TAGS)
    assert all(len(operation["tags"]) == 1 for operation in operations)
    assert {operation["operationId"] for operation in operations} == {
        "recommendations",
        "recommend",
        "rank",
        "delete_events",
        "list_events",
        "import_events",
        "put_items",
        "put_users",
        "latest",
        "popular",
        "segment",
        "trending",
        "similar",
        "basket",
        "demand",
        "restock",
        "retention",
        "search",
        "audience",
        "answers",
        "voice",
        "competitors",
        "campaign_users",
        "campaigns",
        "fading",
        "ads",
        "portrait",
        "activity",
        "features",
        "request_for_subject",
        "subject_requests",
        "withdraw_objection",
        "export_subject",
        "erasure_receipt",
        "send_events",
        "get_online_features",
        "healthz",
        "livez",
        "readyz",
        "metrics",
    }
    for operation in operations:
        assert operation["summary"] and operation["description"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("PATCH", "/v1/events", 405)]
)
def test_unknown_route_is_a_problem_document(
    app: FastAPI, method: str, path: str, status: int
) -> None:
    answer = TestClient(app).request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert path in answer.json()["detail"]
    assert status == 404 or answer.headers["allow"] == "DELETE, GET, POST"


def test_documentation_has_every_route_and_loads_nothing_from_elsewhere(app: FastAPI) -> None:
    answer = TestClient(app).get("/docs")
    assert all(path in answer.text for _, path in SCOPES)
    assert "<script" not in answer.text and "http" not in re.sub(r"HTTP", "", answer.text)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
