"""Who looks at the console: a token, kept by the browser in a cookie that only the console gets.

The cookie holds the token itself and no more, so nothing is kept of a session here, and a token
that is revoked ends it. No script can read it (HttpOnly), no other site's page can have it sent
(SameSite=Strict). A form that changes something also carries a sign that only this page can know,
so that a site that gets around both still can't press its button.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import Request, Response

from penchant.api.auth.access import Access
from penchant.api.auth.tokens import FEATURE_SCOPES, FEATURES, Token
from penchant.api.http.problems import Refused

COOKIE = "penchant_console"
PATH = "/console"
RECOMMENDATIONS = "recommendations:read"
READS = (FEATURES, RECOMMENDATIONS)
"""The scopes that open the console; what needs more than one of them says so on the page."""

USERS = FEATURE_SCOPES["direct"]
"""To list users' ids, and to see day by day what one did: more personal than any feature."""


@dataclass(frozen=True)
class Visitor:
    """Who looks. ``secret`` is None for this machine, while a home has no token."""

    token: Token
    secret: str | None

    def may(self, scope: str) -> bool:
        return self.token.may(scope)

    @property
    def sign(self) -> str:
        """What proves that a form came from a page of this visitor's."""
        return hmac.digest((self.secret or "").encode(), b"penchant console", "sha256").hex()


class Sessions:
    """Tells visitors by their cookie, with the guard that all routes share."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def needs(self, *scopes: str) -> Callable[[Request], Visitor]:
        """A FastAPI dependency: the visitor, who may do what one of ``scopes`` allows."""

        def guard(request: Request) -> Visitor:
            visitor = self.visitor(request)
            self._access.allow(request, visitor.token, *scopes)
            return visitor

        return guard

    def visitor(self, request: Request) -> Visitor:
        """Raises Refused (401) where a token is needed and none that holds was given."""
        return self.with_secret(request, request.cookies.get(COOKIE))

    def with_secret(self, request: Request, secret: str | None) -> Visitor:
        """The same of a token that is not in the cookie yet."""
        token = self._access.known(request, None if secret is None else f"Bearer {secret}")
        return Visitor(token, secret)


def keep(response: Response, request: Request, secret: str) -> None:
    """Have the browser keep the token until it is closed."""
    response.set_cookie(
        COOKIE,
        secret,
        path=_path(request),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def forget(response: Response, request: Request) -> None:
    response.delete_cookie(COOKIE, path=_path(request), httponly=True, samesite="strict")


def require_own_page(request: Request) -> None:
    """Refuse a form that a page of another site sent (where the browser says whose it is)."""
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    if site not in ("same-origin", "none") or (
        origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    ):
        raise Refused(HTTPStatus.FORBIDDEN, "the form was sent from a page of another site")


def require_sign(visitor: Visitor, given: str) -> None:
    """Refuse a form without its page's sign."""
    if not hmac.compare_digest(given.encode(), visitor.sign.encode()):
        raise Refused(HTTPStatus.FORBIDDEN, "the form is not of a page that was shown to you")


def _path(request: Request) -> str:
    """Where the console is mounted, also behind a proxy that adds a prefix."""
    return request.scope.get("root_path") or PATH
