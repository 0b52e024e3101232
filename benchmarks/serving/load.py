"""Load over HTTP/1.1 on loopback, and tables of the latencies.

``at_rate`` is an open loop: latency counts from when a request was due, not from when it was sent.
A slow response also counts against the requests that queued behind it, which a closed loop would
never have sent: coordinated omission (Tene 2015).
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.rows import grid
from benchmarks.servers import headers_for

HOST = "127.0.0.1"
CONNECTIONS = 32
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Request:
    """``body``: JSON; None for a GET."""

    path: str
    body: bytes | None = None

    def encoded(self, port: int) -> bytes:
        head = (
            f"{'GET' if self.body is None else 'POST'} {self.path} HTTP/1.1\r\nHost: {HOST}:{port}"
        )
        head += "".join(f"\r\n{name}: {value}" for name, value in headers_for(port).items())
        if self.body is None:
            return f"{head}\r\n\r\n".encode()
        head += f"\r\nContent-Type: application/json\r\nContent-Length: {len(self.body)}\r\n\r\n"
        return head.encode() + self.body


@dataclass(frozen=True)
class Latencies:
    """Milliseconds to the end of each response."""

    milliseconds: np.ndarray
    failed: int
    seconds: float


class Connection:
    """One keep-alive connection; a request at a time."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self._in, self._out = streams

    async def send(self, encoded: bytes) -> int:
        """The status, once the whole response was received."""
        self._out.write(encoded)
        head = await self._in.readuntil(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                await self._in.readexactly(int(line[15:]))
                return int(head[9:12])
        raise ConnectionError(f"a response without Content-Length: {head[:200]!r}")

    def close(self) -> None:
        self._out.close()


async def _connect(port: int) -> Connection:
    return Connection(await asyncio.open_connection(HOST, port))


async def _at_rate(port: int, encoded: list[bytes], a_second: float) -> Latencies:
    free: asyncio.Queue[Connection] = asyncio.Queue()
    connections = [await _connect(port) for _ in range(CONNECTIONS)]
    for each in connections:
        free.put_nowait(each)
    taken: list[float] = []
    failed = 0

    async def one(request: bytes, due: float) -> None:
        nonlocal failed
        connection = await free.get()
        status = await connection.send(request)
        taken.append(time.perf_counter() - due)
        failed += status >= 400
        free.put_nowait(connection)

    started = time.perf_counter()
    tasks = []
    for number, request in enumerate(encoded):
        due = started + number / a_second
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        tasks.append(asyncio.create_task(one(request, due)))
    await asyncio.gather(*tasks)
    seconds = time.perf_counter() - started
    for connection in connections:
        connection.close()
    return Latencies(1000 * np.array(taken), failed, seconds)


def at_rate(port: int, requests: Sequence[Request], a_second: float) -> Latencies:
    """Send ``a_second`` requests, each when it is due."""
    return asyncio.run(_at_rate(port, [each.encoded(port) for each in requests], a_second))


async def _one_by_one(port: int, encoded: list[bytes]) -> Latencies:
    connection = await _connect(port)
    taken, failed = [], 0
    started = time.perf_counter()
    for request in encoded:
        sent = time.perf_counter()
        failed += await connection.send(request) >= 400
        taken.append(time.perf_counter() - sent)
    seconds = time.perf_counter() - started
    connection.close()
    return Latencies(1000 * np.array(taken), failed, seconds)


def one_by_one(port: int, requests: Sequence[Request]) -> Latencies:
    """Send each request when the one before is answered: the latency without a queue."""
    return asyncio.run(_one_by_one(port, [each.encoded(port) for each in requests]))


def timed_calls(call: Callable[[Any], Any], inputs: Iterable[Any]) -> tuple[list[float], list[Any]]:
    """Milliseconds and result of each call."""
    taken, results = [], []
    for each in inputs:
        started = time.perf_counter()
        results.append(call(each))
        taken.append(1000 * (time.perf_counter() - started))
    return taken, results


def latency_row(what: str, *latencies: Latencies, **aims: float) -> dict[str, Any]:
    """A row of one or more runs; ``aims``: of a percentile, milliseconds at most: ``p99=25``."""
    milliseconds = np.concatenate([each.milliseconds for each in latencies])
    return {
        "what": what,
        "milliseconds": {f"p{at}": float(np.percentile(milliseconds, at)) for at in PERCENTILES},
        "rate": len(milliseconds) / sum(each.seconds for each in latencies),
        "requests": len(milliseconds),
        "failed": sum(each.failed for each in latencies),
        "aims": aims,
    }


def latency_table(rows: list[dict[str, Any]]) -> str:
    names = [f"p{at}" for at in PERCENTILES]
    lines = []
    for row in rows:
        found = row["milliseconds"]
        aims = [
            f"{name} ≤ {most:g} ms{'' if found[name] <= most and not row['failed'] else ', missed'}"
            for name, most in row["aims"].items()
        ]
        numbers = [f"{found[name]:.2f}" for name in names]
        failed = f"{row['failed']} of {row['requests']:,}"
        lines.append([row["what"], f"{row['rate']:.0f}", *numbers, failed, "; ".join(aims)])
    head = ["what", "requests/s", *(f"{name}, ms" for name in names), "failed", "target"]
    return grid(head, lines)


def bounded(what: str, value: float, unit: str, most: float) -> str:
    """A sentence of one figure and its target."""
    missed = "" if value <= most else ", missed"
    return f"{what}: {value:.3g} {unit} (target: at most {most:g}{missed})."
