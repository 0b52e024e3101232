"""Fair admission: a limited number of requests run at a time, and clients take turns.

A request that finds too many waiting, or waits too long, gets 503 with Retry-After before any work
is done for it. Each client has a queue of its own, and the next request is that of the next client
in turn (round robin): one that floods the server waits for itself.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from penchant.api.http.hosts import PROBES
from penchant.api.http.problems import problem_response

RUNNING = 16  # requests: the disk's flushes overlap, computation does not
WAITING = 256  # requests of all clients
WAITING_OF_ONE = 64  # requests of one client
MAX_WAIT_SECONDS = 1.0
RETRY_SECONDS = 1

ClientOf = Callable[[Any], str]
"""The client of an ASGI scope."""


class Turns:
    """Grants turns. Used from one event loop."""

    def __init__(self, running: int = RUNNING, waiting: int = WAITING) -> None:
        self._free, self._waiting_free = running, waiting
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def take(self, client: str) -> bool:
        """Wait for a turn; False where there are too many requests, or it takes too long."""
        if self._free and not self._queues:
            self._free -= 1
            return True
        if not self._waiting_free or len(self._queues.get(client, ())) >= WAITING_OF_ONE:
            return False
        queue = self._queues.setdefault(client, deque())
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._waiting_free -= 1
        try:
            await asyncio.wait_for(asyncio.shield(turn), MAX_WAIT_SECONDS)
        except TimeoutError:
            self._leave(client, turn)
            return False
        except asyncio.CancelledError:
            self._leave(client, turn)
            raise
        return True

    def give_back(self) -> None:
        """End a turn; the next client's first request runs."""
        self._free += 1
        while self._free and self._queues:
            client, queue = self._queues.popitem(last=False)
            turn = queue.popleft()
            self._waiting_free += 1
            if queue:
                self._queues[client] = queue  # behind the others
            self._free -= 1
            turn.set_result(None)

    def _leave(self, client: str, turn: asyncio.Future[None]) -> None:
        if turn.done():  # granted at the last moment
            self.give_back()
            return
        queue = self._queues[client]
        queue.remove(turn)
        self._waiting_free += 1
        if not queue:
            del self._queues[client]


class Admission:
    """ASGI middleware. Behind what reads the body, so that a slow client holds no turn."""

    def __init__(self, app: Any, client_of: ClientOf, turns: Turns | None = None) -> None:
        self._app, self._client_of, self._turns = app, client_of, turns or Turns()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        if not await self._turns.take(self._client_of(scope)):
            busy = problem_response(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the server is busy",
                f"try again in {RETRY_SECONDS} s",
                {"Retry-After": str(RETRY_SECONDS)},
            )
            await busy(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._turns.give_back()
