"""The API's description of itself: what each route needs, and how each can refuse."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from penchant.api.auth.access import Guard
from penchant.api.http.problems import PROBLEM, Problem

ALWAYS = (
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
UNREADY = HTTPStatus.SERVICE_UNAVAILABLE
GUARDED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
BEARER = "bearer"


def scope_of(route: APIRoute) -> str | None:
    """The scope that a route needs; None where everybody may ask."""
    calls = [dependency.call for dependency in route.dependant.dependencies]
    return next((call.scope for call in calls if isinstance(call, Guard)), None)


def describe(app: FastAPI) -> None:
    """Let ``/openapi.json`` name scopes and problem documents, made once when it is asked for."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_refusals(app)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # as FastAPI's documentation has it


def _with_refusals(app: FastAPI) -> dict[str, Any]:
    schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
    components = schema.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
    components["securitySchemes"] = {BEARER: {"type": "http", "scheme": "bearer"}}
    for route in app.routes:
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        scope = scope_of(route)
        for method in route.methods:
            operation = schema["paths"][route.path][method.lower()]
            refusals = (*ALWAYS, UNREADY) if scope is None else (*ALWAYS, UNREADY, *GUARDED)
            operation["responses"] |= {str(status.value): _refusal(status) for status in refusals}
            if scope is not None:
                operation["security"] = [{BEARER: [scope]}]
                told = operation.get("description", "")
                operation["description"] = f"{told}\n\nNeeds the scope `{scope}`.".strip()
    return schema


def _refusal(status: HTTPStatus) -> dict[str, Any]:
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    answer: dict[str, Any] = {"description": status.phrase, "content": content}
    if status is HTTPStatus.TOO_MANY_REQUESTS:
        answer["headers"] = {
            "Retry-After": {"description": "seconds", "schema": {"type": "integer"}}
        }
    return answer
