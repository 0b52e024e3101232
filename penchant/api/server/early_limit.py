"""ASGI middleware that answers clients above their rate before any work is done for them.

Over a socket the answer waits a second, so that a flood is as slow as its number of connections,
and meanwhile its connections are the first to be closed for new ones. A rejected request counts as
several: guesses at tokens and invalid requests are limited to a fraction of the rate.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from penchant.api.http.hosts import PROBES
from penchant.api.http.problems import problem_response
from penchant.api.server.admission import ClientOf
from penchant.api.server.connection import HELD_BACK

DELAY_SECONDS = 1.0
REJECTED_UNITS = 9.0  # more than an accepted request
REJECTED = frozenset({400, 401, 403, 409, 413, 414, 415, 421, 422})

SecondsToWait = Callable[[str], float]
"""Seconds until a client's next request is allowed, without counting one."""

Charge = Callable[[str, float], None]
"""Counts more units of a client."""


class EarlyLimit:
    """429 with Retry-After. ``access.py`` answers the others, by the same limit."""

    def __init__(
        self, app: Any, client_of: ClientOf, seconds_to_wait: SecondsToWait, charge: Charge
    ) -> None:
        self._app, self._client_of = app, client_of
        self._seconds_to_wait, self._charge = seconds_to_wait, charge

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        client = self._client_of(scope)

        async def count_rejection(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] in REJECTED:
                self._charge(client, REJECTED_UNITS)
            await send(message)

        wait = self._seconds_to_wait(client)
        if not wait:
            await self._app(scope, receive, count_rejection)
            return
        hold_back = scope.get("extensions", {}).get(HELD_BACK)
        if hold_back is not None:
            hold_back()
            await asyncio.sleep(DELAY_SECONDS)
        answer = problem_response(
            HTTPStatus.TOO_MANY_REQUESTS,
            "rate limit exceeded",
            f"try again in {wait:.2f} s",
            {"Retry-After": str(int(wait) + 1)},
        )
        await answer(scope, receive, send)
