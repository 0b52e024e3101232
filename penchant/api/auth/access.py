"""Who may ask what, and how often.

While a home has no token, only clients on this machine are answered, and they may do everything but
administer; with the first token, every request needs one. So a newcomer's `make up` just works, and
nothing is open to a network unasked.
"""

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from threading import Lock

from fastapi import Request

from penchant.api.auth.audit_context import Asked
from penchant.api.auth.tokens import SCOPES, Token, Tokens
from penchant.api.http.problems import Refused
from penchant.api.http.query_parameters import require_known
from penchant.errors import UsageError
from penchant.settings import Settings

LOCAL = Token("local", "this machine", tuple(s for s in SCOPES if s != "admin"), "", "")
MOST_CLIENTS = 10_000  # of whom a rate is remembered


class Rate:
    """A token bucket for each client: ``a_second`` on average, ``burst`` at once."""

    def __init__(self, a_second: float, burst: float, clock: Callable[[], float]) -> None:
        self._a_second, self._burst, self._clock = a_second, burst, clock
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = Lock()

    def wait(self, client: str) -> float:
        """Seconds to wait before the next request may come; 0 when this one may."""
        now = self._clock()
        with self._lock:
            left, since = self._left.pop(client, (self._burst, now))
            left = min(self._burst, left + (now - since) * self._a_second)
            allowed = left >= 1
            self._left[client] = (left - 1 if allowed else left, now)
            while len(self._left) > MOST_CLIENTS:  # the one that was silent longest
                del self._left[next(iter(self._left))]
        return 0.0 if allowed else (1 - left) / self._a_second


class Access:
    """The guard before every route that answers with data."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens = Tokens(settings)
        self._rate = Rate(settings.requests_a_second, 2 * settings.requests_a_second, clock)

    def needs(self, scope: str) -> "Guard":
        """A FastAPI dependency: the token of a request that may do what ``scope`` allows."""
        return Guard(self, scope)

    def known(self, request: Request, authorization: str | None) -> Token:
        """The token of an ``Authorization`` header, or this machine where none is needed."""
        if authorization is None and not self._tokens.all() and _is_this_machine(request):
            return LOCAL
        scheme, _, secret = (authorization or "").partition(" ")
        token = self._tokens.of(secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            self._not_too_often(_host(request))
            Asked.by(request, token_id=None, scope=None, allowed=False)
            raise Refused(
                HTTPStatus.UNAUTHORIZED,
                "the request has no bearer token that holds",
                {"WWW-Authenticate": "Bearer"},
            )
        return token

    def allow(self, request: Request, token: Token, *scopes: str) -> None:
        """Have it audited what is asked; refuse it when it is too much, or without one of the
        scopes."""
        self._not_too_often(token.id if token is not LOCAL else _host(request))
        allowed = any(token.may(scope) for scope in scopes)
        scope = " or ".join(scopes)
        Asked.by(request, token.id, scope, allowed)
        if not allowed:
            raise Refused(
                HTTPStatus.FORBIDDEN,
                f"token {token.id} lacks the scope {scope}",
                remedy=f"ask for a token with the scope {scope}",
            )

    def _not_too_often(self, client: str) -> None:
        """What is refused here is not audited: nobody can fill the disk with it."""
        if wait := self._rate.wait(client):
            raise Refused(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"more requests than are allowed; try again in {wait:.2f} s",
                {"Retry-After": str(int(wait) + 1)},
            )


@dataclass(frozen=True)
class Guard:
    """Before a route. Asynchronous, though it waits for nothing: a thread would cost more."""

    access: Access
    scope: str

    async def __call__(self, request: Request) -> Token:
        token = self.access.known(request, request.headers.get("authorization"))
        self.access.allow(request, token, self.scope)
        require_known(request)
        return token


def require_guarded(settings: Settings) -> None:
    """Raise UsageError where the reader would be open to a network without any token."""
    if not is_loopback(settings.api_host) and not Tokens(settings).all():
        raise UsageError(
            f"PENCHANT_API_HOST is {settings.api_host}, and there is no token",
            "make one first: penchant token make --name NAME --scope recommendations:read",
        )


def is_loopback(host: str) -> bool:
    if host in ("localhost", "testclient", "testserver"):  # two of a test client
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_this_machine(request: Request) -> bool:
    """Whether it comes from here and also asks for a name of this machine: a page whose own name
    was pointed here (DNS rebinding), or a proxy that serves strangers, asks for another."""
    return is_loopback(_host(request)) and is_loopback(request.url.hostname or "")


def _host(request: Request) -> str:
    return request.client.host if request.client else ""
