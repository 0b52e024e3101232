"""Fair admission: a limited number of requests run at a time, and clients take turns.

A request that finds too many waiting, or waits too long, gets 503 with Retry-After before any work
is done for it. Each client has a queue of its own, and the next request is that of the next client
in turn (round robin): one that floods the server waits for itself.

Computation does not overlap, so a client whose requests are costly, by size or by the units of work
that its last ones took, has fewer of them running at a time. Costly requests of all clients are
limited too. A client with a single costly request at a time also pauses after each for as long as
it took while there are requests of others, so that half of the time is left to them.
"""

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from penchant.api.http.body import BODY_LENGTH
from penchant.api.http.hosts import PROBES
from penchant.api.http.problems import problem_response
from penchant.api.http.rate_limit import WORK

RUNNING = 16  # requests: the disk's flushes overlap, computation does not
RUNNING_OF_ONE = 4  # of one client; a costly request counts as several
COSTLY = 2  # requests of all clients that take a whole share of one
BODY_BYTES = 16 << 10  # that count as one more
UNITS = 2.0  # of work that count as one more
RECENT = 0.2  # weight of the last request in the typical work of a client, where it falls
MAX_CLIENTS = 10_000  # whose average is kept
WAITING = 256  # requests of all clients
WAITING_OF_ONE = 64  # requests of one client
MAX_WAIT_SECONDS = 1.0
MAX_PAUSE_SECONDS = 0.25
OTHERS_SECONDS = 1.0  # since the last request of another client, which then counts as there
RETRY_SECONDS = 1

ClientOf = Callable[[Any], str]
"""The client of an ASGI scope."""


class TypicalWork:
    """Units of work of a client's requests: those of a costly one at once, then a moving average of
    smaller ones. Used from one event loop."""

    def __init__(self) -> None:
        self._units: dict[str, float] = {}

    def of(self, client: str) -> float:
        return self._units.get(client, 0.0)

    def record(self, client: str, units: float) -> None:
        """``units``: of a request that has ended, beyond that of a small one."""
        before = self._units.pop(client, 0.0)
        self._units[client] = max(units, before + RECENT * (units - before))
        while len(self._units) > MAX_CLIENTS:  # drop the least recent
            del self._units[next(iter(self._units))]


class Turns:
    """Grants turns. Used from one event loop."""

    def __init__(self, running: int = RUNNING, waiting: int = WAITING) -> None:
        self._free, self._waiting_free, self._costly_free = running, waiting, COSTLY
        self._queues: OrderedDict[str, deque[tuple[asyncio.Future[None], int]]] = OrderedDict()
        self._running: Counter[str] = Counter()
        self._latest: dict[str, float] = {}  # the last two clients, and when by the loop's clock

    async def take(self, client: str, weight: int = 1) -> bool:
        """Wait for a turn; False where there are too many requests, or it takes too long.

        ``weight``: of the client's share, at most all of it.
        """
        self._notice(client)
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

    def give_back(self, client: str, weight: int = 1, pause: float = 0.0) -> None:
        """End a turn; the first request of the next client that has a share left runs. ``pause``:
        seconds until the client has its share of this turn again, while there are others."""
        self._free += 1
        self._costly_free += weight >= RUNNING_OF_ONE
        if pause and self._has_others(client):
            asyncio.get_running_loop().call_later(pause, self._return_share, client, weight)
            self._grant()
        else:
            self._return_share(client, weight)

    def _notice(self, client: str) -> None:
        self._latest.pop(client, None)
        self._latest[client] = asyncio.get_running_loop().time()
        if len(self._latest) > 2:
            del self._latest[next(iter(self._latest))]

    def _has_others(self, client: str) -> bool:
        recent = asyncio.get_running_loop().time() - OTHERS_SECONDS
        return any(at > recent for other, at in self._latest.items() if other != client)

    def _return_share(self, client: str, weight: int) -> None:
        self._running[client] -= weight
        if self._running[client] <= 0:
            del self._running[client]
        self._grant()

    def _grant(self) -> None:
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
        if weight >= RUNNING_OF_ONE and not self._costly_free:
            return False
        return self._running[client] + min(weight, RUNNING_OF_ONE) <= RUNNING_OF_ONE

    def _start(self, client: str, weight: int) -> None:
        self._free -= 1
        self._costly_free -= weight >= RUNNING_OF_ONE
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
        self._work = TypicalWork()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        client = self._client_of(scope)
        weight = _weight(int(scope.get(BODY_LENGTH, 0)), self._work.of(client))
        if not await self._turns.take(client, weight):
            busy = problem_response(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the server is busy",
                f"try again in {RETRY_SECONDS} s",
                {"Retry-After": str(RETRY_SECONDS)},
            )
            await busy(scope, receive, send)
            return
        started = time.monotonic()
        try:
            await self._app(scope, receive, send)
        finally:
            taken = min(MAX_PAUSE_SECONDS, time.monotonic() - started)
            self._work.record(client, scope.get("state", {}).get(WORK, 0.0))
            self._turns.give_back(client, weight, taken if weight == RUNNING_OF_ONE else 0.0)


def _weight(body_length: int, units: float) -> int:
    """Of the client's share. ``units``: of work, typical of the client's requests."""
    return min(RUNNING_OF_ONE, 1 + body_length // BODY_BYTES + int(units / UNITS))
