"""Log in with a token, and log out."""

import re
from http import HTTPStatus

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from penchant.api.console.forms import Form
from penchant.api.console.render import page
from penchant.api.console.session import (
    COOKIE,
    READ_SCOPES,
    authenticate,
    delete_session_cookie,
    require_csrf_token,
    require_same_origin,
    set_session_cookie,
    visitor_of,
)
from penchant.api.http.problems import HTTPProblem

CONSOLE_ADDRESS = re.compile(r"[a-z-]*(\?[\x21-\x7e]*)?")
"""A relative address of a console page with its query."""

router = APIRouter()


@router.get("/login")
def show_login(request: Request) -> HTMLResponse:
    return page(request, "login.html", None, cause=None, next="./")


@router.post("/login", dependencies=[Depends(require_same_origin)])
def log_in(request: Request, form: Form) -> Response:
    """Redirect to the requested page; 401 for an invalid token."""
    target, secret = form.get("next", ""), form.get("token", "").strip()
    try:
        visitor = authenticate(request, secret)
    except HTTPProblem as error:
        cause = "This token is invalid: mistyped, expired, revoked or of another home"
        return page(request, "login.html", None, error.status, cause=cause, next=target)
    if not any(map(visitor.allows, READ_SCOPES)):
        cause = f"The token {visitor.token.name} lacks the scopes {' and '.join(READ_SCOPES)}"
        return page(request, "login.html", None, HTTPStatus.FORBIDDEN, cause=cause, next=target)
    response = RedirectResponse(
        target if target and CONSOLE_ADDRESS.fullmatch(target) else "./",
        HTTPStatus.SEE_OTHER.value,
    )
    set_session_cookie(response, request, secret)
    return response


@router.post("/logout", dependencies=[Depends(require_same_origin)])
def log_out(request: Request, form: Form) -> Response:
    require_csrf_token(visitor_of(request), form)
    response = RedirectResponse("login", HTTPStatus.SEE_OTHER.value)
    delete_session_cookie(response, request)
    return response


def login_required(request: Request, error: HTTPProblem) -> HTMLResponse:
    """The login form in place of the requested page; after login, the browser returns to it."""
    path = request.url.path.rsplit("/", 1)[-1]
    target = f"{path}?{request.url.query}" if request.url.query else path
    return page(
        request,
        "login.html",
        None,
        error.status,
        error.headers,
        cause="Your token is no longer valid" if COOKIE in request.cookies else None,
        next=target if request.method == "GET" else "./",
    )
