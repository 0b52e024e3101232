"""Fair admission: a limited number of requests run at a time, and clients take turns.

A request that finds too many waiting, or waits too long, gets 503 with Retry-After before any work
is done for it. Each client has a queue of its own, and the next request is that of the next client
in turn (round robin): one that floods the server waits for itself.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from penchant.api.http.body import BODY_LENGTH
from penchant.api.http.hosts import PROBES
from penchant.api.http.problems import problem_response

RUNNING = 16  # requests: the disk's flushes overlap, computation does not
RUNNING_OF_ONE = 4  # of one client; a request with a large body counts as several
BODY_BYTES = 16 << 10  # that count as one more
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
        self._queues: OrderedDict[str, deque[tuple[asyncio.Future[None], int]]] = OrderedDict()
        self._running: Counter[str] = Counter()

    async def take(self, client: str, weight: int = 1) -> bool:
        """Wait for a turn; False where there are too many requests, or it takes too long.

        ``weight``: of the client's share, at most all of it.
        """
        if self._free and client not in self._queues and self._fits(client, weight):
            self._start(client, weight)
            return True
        if not self._waiting_free or len(self._queues.get(client, ())) >= WAITING_OF_ONE:
            return False
        queue = self._queues.setdefault(client, deque())
        turn = asyncio.get_running_loop().create_future()
        queue.append((turn, weight))
        self._waiting_free -= 1
        try:
            await asyncio.wait_for(asyncio.shield(turn), MAX_WAIT_SECONDS)
        except TimeoutError:
            self._leave(client, turn, weight)
            return False
        except asyncio.CancelledError:
            self._leave(client, turn, weight)
            raise
        return True

    def give_back(self, client: str, weight: int = 1) -> None:
        """End a turn; the first request of the next client that has a share left runs."""
        self._free += 1
        self._running[client] -= weight
        if self._running[client] <= 0:
            del self._running[client]
        for waiting in list(self._queues):
            queue = self._queues[waiting]
            turn, wanted = queue[0]
            if not self._free:
                break
            if not self._fits(waiting, wanted):
                continue
            queue.popleft()
            self._waiting_free += 1
            if queue:
                self._queues.move_to_end(waiting)  # behind the others
            else:
                del self._queues[waiting]
            self._start(waiting, wanted)
            turn.set_result(None)

    def _fits(self, client: str, weight: int) -> bool:
        return self._running[client] + min(weight, RUNNING_OF_ONE) <= RUNNING_OF_ONE

    def _start(self, client: str, weight: int) -> None:
        self._free -= 1
        self._running[client] += weight

    def _leave(self, client: str, turn: asyncio.Future[None], weight: int) -> None:
        if turn.done():  # granted at the last moment
            self.give_back(client, weight)
            return
        queue = self._queues[client]
        queue.remove((turn, weight))
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
        client, weight = self._client_of(scope), _weight(scope)
        if not await self._turns.take(client, weight):
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
            self._turns.give_back(client, weight)


def _weight(scope: Any) -> int:
    """A large body is parsed while nothing else is: a client has one of them at a time."""
    return min(RUNNING_OF_ONE, 1 + int(scope.get(BODY_LENGTH, 0)) // BODY_BYTES)
