"""``/docs``: every route with its parameters and answers, from the OpenAPI description.

The page has no script and loads nothing from elsewhere: it is on the console's origin.
"""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}

_page = Environment(
    loader=PackageLoader("penchant.api", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
).get_template("docs.html")


def add_docs_page(app: FastAPI) -> None:
    """Add the route. It needs no token, as the description itself."""

    async def docs(request: Request) -> HTMLResponse:
        schema = app.openapi()
        html = _page.render(
            title=app.title,
            description=app.description,
            tags=schema.get("tags", []),
            operations=_operations(schema),
        )
        return HTMLResponse(html, headers=SECURITY)

    app.add_route("/docs", docs)


def _operations(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "path": path,
            "method": method.upper(),
            "tag": (operation.get("tags") or [""])[0],
            "summary": operation.get("summary", ""),
            "description": operation.get("description", ""),
            "parameters": [
                {
                    "name": parameter["name"],
                    "required": parameter.get("required", False),
                    "text": parameter.get("description", ""),
                    "type": _type(parameter["schema"]),
                }
                for parameter in operation.get("parameters", [])
            ],
            "body": _type(_json(operation.get("requestBody", {}))),
            "responses": [
                {
                    "status": status,
                    "text": answer.get("description", ""),
                    "type": _type(_json(answer)),
                }
                for status, answer in sorted(operation["responses"].items())
            ],
        }
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def _json(described: dict[str, Any]) -> dict[str, Any]:
    """The schema of a body or an answer; empty for other content."""
    content: dict[str, Any] = described.get("content", {}).get("application/json", {})
    found: dict[str, Any] = content.get("schema", {})
    return found


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words: ``string``, ``list of string``, the name of a model."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        kinds = [_type(each) for each in schema["anyOf"] if each.get("type") != "null"]
        return " or ".join(kinds)
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", ""))
