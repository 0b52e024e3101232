"""Requests at a constant rate, whatever the answers take: an open loop over HTTP/1.1 on loopback.

A request's latency counts from the moment it was due, not from when it was sent. So an answer that
is slow also counts against the requests that queued behind it, which a closed loop (``wrk``, a
plain ``locust`` user) would never have sent: coordinated omission (Tene 2015).
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Request:
    """``body``: JSON; None for a GET."""

    path: str
    body: bytes | None = None

    def encoded(self, host: str) -> bytes:
        if self.body is None:
            return f"GET {self.path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


@dataclass(frozen=True)
class Latencies:
    """Milliseconds from when each request was due to the end of its answer."""

    milliseconds: np.ndarray
    failed: int
    seconds: float

    def percentile(self, at: float) -> float:
        return float(np.percentile(self.milliseconds, at))

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.milliseconds) / self.seconds

    def __str__(self) -> str:
        shown = ", ".join(f"p{at:g} {self.percentile(at):.2f}" for at in (50, 95, 99, 99.9))
        return f"{self.rate:.0f}/s: {shown} ms, {self.failed} failed"


class Connection:
    """One keep-alive connection; a request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    async def open(self) -> "Connection":
        self._service, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def ask(self, encoded: bytes) -> int:
        """The status, when all of the answer is here."""
        self._writer.write(encoded)
        head = await self._service.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                await self._service.readexactly(int(line[15:]))
                return status
        raise ConnectionError(f"an answer without a length: {head[:200]!r}")

    def close(self) -> None:
        self._writer.close()


async def _at_rate(
    host: str, port: int, requests: Sequence[Request], a_second: float, connections: int
) -> Latencies:
    free: asyncio.Queue[Connection] = asyncio.Queue()
    opened = [await Connection(host, port).open() for _ in range(connections)]
    for each in opened:
        free.put_nowait(each)
    taken: list[float] = []
    failed = 0

    async def one(encoded: bytes, due: float) -> None:
        nonlocal failed
        connection = await free.get()
        status = await connection.ask(encoded)
        taken.append(time.perf_counter() - due)
        failed += status >= 400
        free.put_nowait(connection)

    encoded = [request.encoded(f"{host}:{port}") for request in requests]
    begun = time.perf_counter()
    tasks = []
    for number, each in enumerate(encoded):
        due = begun + number / a_second
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        tasks.append(asyncio.create_task(one(each, due)))
    await asyncio.gather(*tasks)
    seconds = time.perf_counter() - begun
    for connection in opened:
        connection.close()
    return Latencies(1000 * np.array(taken), failed, seconds)


def at_rate(
    port: int,
    requests: Sequence[Request],
    a_second: float,
    connections: int = 32,
    host: str = "127.0.0.1",
) -> Latencies:
    """Send each request when it is due, ``a_second`` of them, over at most ``connections``."""
    return asyncio.run(_at_rate(host, port, requests, a_second, connections))


async def _one_by_one(host: str, port: int, requests: Sequence[Request]) -> Latencies:
    connection = await Connection(host, port).open()
    taken, failed = [], 0
    begun = time.perf_counter()
    for request in requests:
        encoded = request.encoded(f"{host}:{port}")
        asked = time.perf_counter()
        failed += await connection.ask(encoded) >= 400
        taken.append(time.perf_counter() - asked)
    seconds = time.perf_counter() - begun
    connection.close()
    return Latencies(1000 * np.array(taken), failed, seconds)


def one_by_one(port: int, requests: Sequence[Request], host: str = "127.0.0.1") -> Latencies:
    """Send each request when the one before is answered: how long one takes, without a queue."""
    return asyncio.run(_one_by_one(host, port, requests))
