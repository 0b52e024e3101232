"""The console's session: a bearer token in a cookie.

The server stores no sessions: the cookie holds the token, so revoking the token ends the session.
The cookie is HttpOnly (unreadable for scripts), SameSite=Strict (not sent with requests from other
sites) and limited to the console's path. Forms that change something also carry a CSRF token.
"""

import hmac
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import Request, Response

from penchant.api.auth.access import AccessControl
from penchant.api.auth.tokens import FEATURE_SCOPES, FEATURES, Token
from penchant.api.http.problems import HTTPProblem

COOKIE = "penchant_console"
PATH = "/console"
RECOMMENDATIONS = "recommendations:read"
READ_SCOPES = (FEATURES, RECOMMENDATIONS)
"""Either opens the console. Parts of a page that require a certain scope say so."""

USER_SCOPE = FEATURE_SCOPES["direct"]
"""Required to list user ids and to see a user's events: more personal than any feature."""


@dataclass(frozen=True)
class Visitor:
    """``secret`` is None for a call within the process while the home has no token."""

    token: Token
    secret: str | None

    def allows(self, scope: str) -> bool:
        return self.token.allows(scope)

    @property
    def csrf_token(self) -> str:
        return hmac.digest((self.secret or "").encode(), b"penchant console", "sha256").hex()


@dataclass(frozen=True)
class RequireVisitor:
    """A FastAPI dependency: the visitor, who must have one of ``scopes``."""

    scopes: tuple[str, ...]

    async def __call__(self, request: Request) -> Visitor:
        visitor = visitor_of(request)
        access: AccessControl = request.app.state.access
        access.authorize(request, visitor.token, *self.scopes)
        return visitor


def visitor_of(request: Request) -> Visitor:
    """The visitor by their cookie. Raises HTTPProblem (401) as ``AccessControl`` does."""
    return authenticate(request, request.cookies.get(COOKIE))


def authenticate(request: Request, secret: str | None) -> Visitor:
    """The visitor by the secret of their token."""
    access: AccessControl = request.app.state.access
    token = access.authenticate(request, None if secret is None else f"Bearer {secret}")
    return Visitor(token, secret)


def set_session_cookie(response: Response, request: Request, secret: str) -> None:
    """Let the browser store the token until it is closed."""
    response.set_cookie(
        COOKIE,
        secret,
        path=_path(request),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def delete_session_cookie(response: Response, request: Request) -> None:
    response.delete_cookie(COOKIE, path=_path(request), httponly=True, samesite="strict")


def require_same_origin(request: Request) -> None:
    """Raise HTTPProblem (403) for a form sent from another site, if the browser says so."""
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    if site not in ("same-origin", "none") or (
        origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    ):
        raise HTTPProblem(
            HTTPStatus.FORBIDDEN, "the form was sent from another site", remedy="open the console"
        )


def require_csrf_token(visitor: Visitor, form: dict[str, str]) -> None:
    """Raise HTTPProblem (403) for a form without the visitor's CSRF token."""
    given = form.get("csrf_token", "")
    if not hmac.compare_digest(given.encode(), visitor.csrf_token.encode()):
        raise HTTPProblem(
            HTTPStatus.FORBIDDEN,
            "the form's CSRF token is missing or invalid",
            remedy="reload the page and try again",
        )


def _path(request: Request) -> str:
    """Where the console is mounted, including the prefix of a reverse proxy."""
    return request.scope.get("root_path") or PATH
