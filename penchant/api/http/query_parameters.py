"""Strict query parameters: a misspelt filter is an error, not a filter that is left out."""

from http import HTTPStatus
from typing import Any

from fastapi import Request

from penchant.api.http.problems import HTTPProblem


def require_known_parameters(request: Request) -> None:
    """Raise HTTPProblem (422) for a parameter that the route's OpenAPI operation lacks, and for a
    repeated parameter that is not a list."""
    given = request.query_params
    if not given:
        return
    operation = request.app.openapi()["paths"][request.scope["route"].path][request.method.lower()]
    schemas = {
        parameter["name"]: parameter["schema"]
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    }
    for name in given:
        if name not in schemas:
            raise HTTPProblem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"unknown query parameter {name[:64]!r}",
                remedy=f"use {', '.join(schemas) or 'none'}",
            )
        if len(given.getlist(name)) > 1 and not _is_list(schemas[name]):
            raise HTTPProblem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"query parameter {name!r} is repeated",
                remedy="send it once",
            )


def _is_list(schema: dict[str, Any]) -> bool:
    return any(each.get("type") == "array" for each in (schema, *schema.get("anyOf", ())))
