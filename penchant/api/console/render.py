"""HTML responses from templates: values are escaped, external resources blocked, caching off."""

from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from penchant.api.console.session import USER_SCOPE, Visitor
from penchant.vault import Vault

TEMPLATES = Path(__file__).resolve().parent / "templates"
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # addresses contain user ids
    "X-Content-Type-Options": "nosniff",
}
PRIVATE = {"Cache-Control": "no-store"}

_templates = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(
    request: Request,
    template: str,
    visitor: Visitor | None,
    status: HTTPStatus = HTTPStatus.OK,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Render a template. Without a visitor the page has no navigation."""
    html = _templates.get_template(template).render(
        visitor=visitor,
        navigation=request.app.state.navigation,
        current=request.scope["path"].rsplit("/", 1)[-1],
        shown=partial(_shown, request, visitor),
        **values,
    )
    return HTMLResponse(html, status.value, SECURITY | PRIVATE | (headers or {}))


def _shown(request: Request, visitor: Visitor | None, user_id: str) -> str:
    """A user id for who may see it, in place of its pseudonym."""
    if visitor is None or not visitor.allows(USER_SCOPE):
        return user_id
    vault = Vault(request.app.state.services.settings)
    return vault.reveal([user_id]).get(user_id, user_id)


def safe_svg(svg: str) -> Markup:
    """A plot, which has escaped its labels."""
    return Markup(svg)
