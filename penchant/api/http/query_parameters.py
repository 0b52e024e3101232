"""What a query may name: a filter that is misspelt must not be a filter that is left out."""

from http import HTTPStatus
from typing import Any

from fastapi import Request

from penchant.api.http.problems import Refused


def require_known(request: Request) -> None:
    """Raise Refused (422) for a parameter that the route does not have, and for one that is given
    twice where one is taken; by the API's own description."""
    given = request.query_params
    if not given:
        return
    operation = request.app.openapi()["paths"][request.scope["route"].path][request.method.lower()]
    taken = {
        each["name"]: each["schema"]
        for each in operation.get("parameters", [])
        if each["in"] == "query"
    }
    for name in given:
        if name not in taken:
            raise Refused(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"there is no parameter {name[:64]!r}",
                remedy=f"use {', '.join(taken) or 'none'}",
            )
        if len(given.getlist(name)) > 1 and not _several(taken[name]):
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} is given twice")


def _several(schema: dict[str, Any]) -> bool:
    return any(each.get("type") == "array" for each in (schema, *schema.get("anyOf", ())))
