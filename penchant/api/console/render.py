"""Templates to responses: every value escaped, nothing fetched from elsewhere, nothing kept."""

from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from penchant.api.console.session import Visitor

TEMPLATES = Path(__file__).resolve().parent / "templates"
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # an id in an address is nobody else's business
    "X-Content-Type-Options": "nosniff",
}
PRIVATE = {"Cache-Control": "no-store"}

_pages = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(
    template: str,
    visitor: Visitor | None,
    status: HTTPStatus = HTTPStatus.OK,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """A page. ``visitor`` is None before somebody is known: then it has no links to others."""
    html = _pages.get_template(template).render(visitor=visitor, **values)
    return HTMLResponse(html, status.value, SECURITY | PRIVATE | (headers or {}))


def drawn(svg: str) -> Markup:
    """A plot: it escapes its own labels."""
    return Markup(svg)
