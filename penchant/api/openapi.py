"""The OpenAPI description: adds scopes and problem responses to what FastAPI derives."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from penchant.api.auth.access import RequireScope
from penchant.api.http import repetition
from penchant.api.http.problems import FEAST_PATH, PROBLEM_JSON
from penchant.api_schemas import Problem

ALL_ROUTES = (
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
GUARDED_ROUTES = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
BEARER = "bearer"
TAGS = {
    "recommendations": "Items for a user, an item or a basket.",
    "events": "What users do.",
    "catalogue": "What the shop sells, and its users.",
    "features": "Online features of users and items.",
    "ads": "Ads for a user.",
    "portraits": "What a user is interested in and did last.",
    "insights": "What interests are used for beside recommendation.",
    "subjects": "People's requests about their data.",
    "operations": "Health and metrics of the server.",
}


def scope_of(route: APIRoute) -> str | None:
    """The scope that a route requires; None if it needs no token."""
    calls = [dependency.call for dependency in route.dependant.dependencies]
    return next((call.scope for call in calls if isinstance(call, RequireScope)), None)


def describe(app: FastAPI) -> None:
    """Make ``/openapi.json`` include scopes and problem documents. Built at the first request."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_problems(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents


def _with_problems(app: FastAPI) -> dict[str, Any]:
    tags = [{"name": name, "description": text} for name, text in TAGS.items()]
    schema = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=tags,
    )
    components = schema.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
    components["securitySchemes"] = {BEARER: {"type": "http", "scheme": "bearer"}}
    for route in app.routes:
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        scope = scope_of(route)
        for method in route.methods:
            operation = schema["paths"][route.path][method.lower()]
            operation.setdefault(repetition.KEY, method == "GET")
            statuses = ALL_ROUTES if scope is None else (*ALL_ROUTES, *GUARDED_ROUTES)
            own = [HTTPStatus(int(code)) for code in operation["responses"] if code[0] in "45"]
            operation["responses"] |= {
                str(each.value): _problem(each, route.path) for each in (*own, *statuses)
            }
            if scope is not None:
                operation["security"] = [{BEARER: [scope]}]
                described = operation.get("description", "")
                operation["description"] = f"{described}\n\nRequires the scope `{scope}`.".strip()
    return schema


def _problem(status: HTTPStatus, path: str) -> dict[str, Any]:
    content: dict[str, Any] = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    if path == FEAST_PATH:
        content["application/json"] = {"schema": {"type": "string"}}
    response: dict[str, Any] = {"description": status.phrase, "content": content}
    if status is HTTPStatus.TOO_MANY_REQUESTS:
        response["headers"] = {
            "Retry-After": {"description": "seconds", "schema": {"type": "integer"}}
        }
    return response
