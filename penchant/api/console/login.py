"""Log in with a token, and out again."""

import re
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from penchant.api.console.form import Form, form
from penchant.api.console.render import page
from penchant.api.console.session import (
    COOKIE,
    READS,
    Sessions,
    forget,
    keep,
    require_own_page,
    require_sign,
)
from penchant.api.http.problems import Refused

HERE = re.compile(r"[a-z]*(\?[\x21-\x7e]*)?")
"""An address within the console: one of its pages and what is asked of it."""


def add(app: FastAPI, sessions: Sessions) -> None:
    @app.get("/login")
    def show() -> HTMLResponse:
        return page("login.html", None, cause=None, next="./")

    @app.post("/login", dependencies=[Depends(require_own_page)])
    def log_in(request: Request, posted: Annotated[Form, Depends(form)]) -> Response:
        """Back to the page that was asked for; 401 for a token that does not hold."""
        wanted, secret = posted.get("next", ""), posted.get("token", "").strip()
        try:
            visitor = sessions.with_secret(request, secret)
        except Refused as error:
            cause = "That token does not hold: it is mistyped, revoked or of another home"
            return page("login.html", None, error.status, cause=cause, next=wanted)
        if not any(map(visitor.may, READS)):
            cause = (
                f"The token of {visitor.token.name} may not read: it lacks {' and '.join(READS)}"
            )
            return page("login.html", None, HTTPStatus.FORBIDDEN, cause=cause, next=wanted)
        response = RedirectResponse(
            wanted if wanted and HERE.fullmatch(wanted) else "./", HTTPStatus.SEE_OTHER.value
        )
        keep(response, request, secret)
        return response

    @app.post("/logout", dependencies=[Depends(require_own_page)])
    def log_out(request: Request, posted: Annotated[Form, Depends(form)]) -> Response:
        require_sign(sessions.visitor(request), posted.get("sign", ""))
        response = RedirectResponse("login", HTTPStatus.SEE_OTHER.value)
        forget(response, request)
        return response


def ask(request: Request, error: Refused) -> HTMLResponse:
    """The form in place of a page that needs a token, to go on to that page."""
    stale = COOKIE in request.cookies
    here = request.url.path.rsplit("/", 1)[-1]
    wanted = f"{here}?{request.url.query}" if request.url.query else here
    return page(
        "login.html",
        None,
        error.status,
        error.headers,
        cause="Your token no longer holds" if stale else None,
        next=wanted if request.method == "GET" else "./",
    )
