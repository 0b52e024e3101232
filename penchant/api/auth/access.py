"""Authentication, authorization and rate limits.

Every request over a network needs a token, also from this machine: ``first_token.py`` makes the
first one. Only calls within the process, of tests and scripts, need none in a home without tokens.
"""

import ipaddress
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import Request

from penchant.api.auth.audit_context import record_access, record_denial
from penchant.api.auth.rates import LocalRates, Rates
from penchant.api.auth.tokens import RESTRICTED, SCOPES, Token, Tokens
from penchant.api.http.problems import HTTPProblem
from penchant.api.http.query_parameters import require_known_parameters
from penchant.api.http.rate_limit import RATE_LIMIT, WORK, Headers, rate_limit_headers
from penchant.errors import DataError, UsageError
from penchant.settings import Settings

IN_PROCESS = Token(
    "in-process", "this process", tuple(s for s in SCOPES if s not in RESTRICTED), "", ""
)
CLIENT = "client_for_shares"
"""Key of ``client_of`` in the state of a request."""
TEST_CLIENT = "testclient"  # Starlette's; the peer of a socket is an address


class RateLimiter:
    """A token bucket for each client: ``per_second`` units of work on average, ``burst`` at once.

    A request is a unit; what it asks for beyond a small answer is charged once it is known, and
    delays the client's next requests.
    """

    def __init__(
        self,
        per_second: float,
        burst: float,
        clock: Callable[[], float],
        rates: Rates | None = None,
    ) -> None:
        """``rates``: by default of this process."""
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._rates = rates or LocalRates()

    def seconds_to_wait(self, client: str) -> float:
        """Seconds until the client's next request is allowed; 0 allows and counts this one."""
        return self.take(client)[0]

    def take(self, client: str) -> tuple[float, Headers]:
        """``seconds_to_wait``, and what the client has left, for its response."""
        before = self._update(client, _less_one)
        headers = rate_limit_headers(self._per_second, self._burst, _less_one(before))
        return self._seconds(before), headers

    def peek(self, client: str) -> float:
        """``seconds_to_wait`` without counting a request."""
        return self._seconds(self._update(client, lambda left: left))

    def charge(self, client: str, units: float) -> None:
        """Count more work of a client, which is at most a burst in debt."""
        self._update(client, lambda left: max(left - units, -self._burst))

    def _seconds(self, left: float) -> float:
        return 0.0 if left >= 1 else (1 - left) / self._per_second

    def _update(self, client: str, change: Callable[[float], float]) -> float:
        """Units that the client had until now."""
        with self._rates.held():
            now = self._clock()
            left, since = self._rates.get(client) or (self._burst, now)
            left = min(self._burst, left + (now - since) * self._per_second)
            self._rates.put(client, (change(left), now))
        return left


class AccessControl:
    """Decides who may send a request. One for each application, as ``app.state.access``."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
        rates: Rates | None = None,
    ) -> None:
        """``rates``: shared with other servers; by default of this one alone."""
        self._tokens = Tokens(settings)
        rate = settings.requests_a_second
        self._limiter = RateLimiter(rate, 2 * rate, clock, rates)

    def authenticate(self, request: Request, authorization: str | None) -> Token:
        """The token of an ``Authorization`` header, or IN_PROCESS if none is needed.

        Raises HTTPProblem (401).
        """
        if authorization is None and _host(request) == TEST_CLIENT and not self._tokens.required:
            return IN_PROCESS
        scheme, _, secret = (authorization or "").partition(" ")
        token = self._tokens.find(secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            self._limit_rate(request, _host(request))
            record_access(request, token_id=None, scope=None, allowed=False)
            raise HTTPProblem(
                HTTPStatus.UNAUTHORIZED,
                "missing bearer token" if authorization is None else "invalid or expired token",
                {"WWW-Authenticate": "Bearer"},
                remedy="send the header Authorization: Bearer TOKEN; `penchant token local` prints "
                "this machine's, `penchant token make` makes others",
            )
        return token

    def client_of(self, scope: Any) -> str:
        """Who sends a request, for fair shares: the id of its valid token, else its address.

        It is looked up once for a request; ``authenticate`` checks the token itself.
        """
        state: dict[str, Any] = scope.setdefault("state", {})
        if CLIENT not in state:
            state[CLIENT] = self._client_of(scope)
        return str(state[CLIENT])

    def _client_of(self, scope: Any) -> str:
        for name, value in scope["headers"]:
            if name == b"authorization":
                secret = value.decode("latin-1").partition(" ")[2].strip()
                with suppress(DataError):  # damaged tokens: ``authenticate`` says so
                    if (token := self._tokens.find(secret)) is not None:
                        return token.id
        return scope["client"][0] if scope.get("client") else ""

    def authorize(self, request: Request, token: Token, *scopes: str) -> None:
        """Record the request for the audit log. Raises HTTPProblem if the token has none of the
        scopes (403) or exceeds its rate (429)."""
        request.state.client = token.id if token is not IN_PROCESS else _host(request)
        self._limit_rate(request, request.state.client)
        allowed = any(token.allows(scope) for scope in scopes)
        scope = " or ".join(scopes)
        record_access(request, token.id, scope, allowed)
        if not allowed:
            raise HTTPProblem(
                HTTPStatus.FORBIDDEN,
                f"token {token.id} lacks the scope {scope}",
                remedy=f"use a token with the scope {scope}",
            )

    def seconds_to_wait(self, client: str) -> float:
        """Seconds until a client's next request is allowed. ``client``: as ``client_of`` says."""
        return self._limiter.peek(client)

    def charge(self, client: str, units: float) -> None:
        """Count work beyond that of a small request. ``client``: as ``client_of`` says."""
        self._limiter.charge(client, units)

    def _limit_rate(self, request: Request, client: str) -> None:
        """Rejected requests are not audited, so that they can't fill the disk."""
        wait, headers = self._limiter.take(client)
        setattr(request.state, RATE_LIMIT, headers)
        if wait:
            raise HTTPProblem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "rate limit exceeded",
                {"Retry-After": str(int(wait) + 1)},
                remedy=f"try again in {wait:.2f} s",
            )


def _less_one(left: float) -> float:
    """Units that are left after a request, which is rejected without one."""
    return left - 1 if left >= 1 else left


def require_scope(request: Request, token: Token, scope: str) -> None:
    """Raise HTTPProblem (403) if a token lacks a scope that only a part of the route requires."""
    if not token.allows(scope):
        record_denial(request)
        raise HTTPProblem(
            HTTPStatus.FORBIDDEN,
            f"token {token.id} lacks the scope {scope}",
            remedy=f"use a token with the scope {scope}",
        )


def charge_work(request: Request, units: float) -> None:
    """Count ``units`` more than the request itself against the client's rate. A unit is about the
    work of ten recommendations."""
    if not units:
        return
    access: AccessControl = request.app.state.access
    access.charge(request.state.client, units)
    setattr(request.state, WORK, getattr(request.state, WORK, 0.0) + units)


def work_of(k: int, reasons: bool, diversity: float = 0.0) -> float:
    """Units of a list of ``k`` items."""
    return k / 50 + 2 * reasons + 2 * (diversity > 0)


def work_of_exploration(propensities: int) -> float:
    """Units of logging the propensities of a slate's candidates."""
    return propensities / 200


@dataclass(frozen=True)
class RequireScope:
    """A FastAPI dependency: the token of a request that has ``scope``.

    Asynchronous, so that FastAPI doesn't start a thread for it.
    """

    scope: str

    async def __call__(self, request: Request) -> Token:
        access: AccessControl = request.app.state.access
        token = access.authenticate(request, request.headers.get("authorization"))
        access.authorize(request, token, self.scope)
        require_known_parameters(request)
        return token


def require_token_for_network(settings: Settings) -> None:
    """Raise UsageError if the server would listen on a network while there is no token."""
    if not is_loopback(settings.api_host) and not Tokens(settings).required:
        raise UsageError(
            f"PENCHANT_API_HOST is {settings.api_host}, but there is no token",
            "make one first: penchant token make --name NAME --scope recommendations:read",
        )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(request: Request) -> str:
    return request.client.host if request.client else ""
