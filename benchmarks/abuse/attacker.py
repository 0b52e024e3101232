"""One attacker, as a process: ``python -m benchmarks.abuse.attacker ATTACK PORT SECONDS``.

The token, where an attack has one, is in the environment variable ``TOKEN``. Imports nothing that
takes long, and prints what it did as JSON.
"""

import asyncio
import gzip
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable

HOST = "127.0.0.1"
CONNECTIONS = 1500
WORKERS = 32
TOKEN = "TOKEN"  # environment variable
Counts = Counter[str]
Attack = Callable[["Target"], Awaitable[None]]


class Target:
    """The server, until when it is attacked, and what happened."""

    def __init__(self, port: int, seconds: float) -> None:
        self.port, self.until = port, time.monotonic() + seconds
        self.counts: Counts = Counter()

    @property
    def running(self) -> bool:
        return time.monotonic() < self.until

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.wait_for(asyncio.open_connection(HOST, self.port), 5)


def head(line: str, *headers: str, host: str = "localhost") -> bytes:
    token = os.environ.get(TOKEN)
    own = [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", *own, *headers, "", ""]).encode()


async def drip(target: Target, opening: bytes, drop: bytes) -> None:
    """Send a drop a second for as long as the server lets it."""
    while target.running:
        try:
            _, writer = await target.connect()
            target.counts["connections"] += 1
            writer.write(opening)
            while target.running:
                await asyncio.sleep(1)
                writer.write(drop)
                await writer.drain()
        except (OSError, TimeoutError):
            target.counts["closed by the server"] += 1
            await asyncio.sleep(1)


async def pour(target: Target, opening: bytes, chunk: bytes) -> None:
    """Send without end for as long as the server lets it."""
    while target.running:
        try:
            _, writer = await target.connect()
            writer.write(opening)
            while target.running:
                writer.write(chunk)
                await writer.drain()
                target.counts["bytes"] += len(chunk)
                await asyncio.sleep(0)
        except (OSError, TimeoutError):
            target.counts["closed by the server"] += 1
            await asyncio.sleep(0.05)


async def repeat(target: Target, request: bytes) -> None:
    """Send a request again as soon as it is answered."""
    while target.running:
        try:
            reader, writer = await target.connect()
            while target.running:
                writer.write(request)
                answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
                target.counts[answer[9:12].decode()] += 1
                for line in answer.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        await reader.readexactly(int(line[15:]))
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            target.counts["closed by the server"] += 1
            await asyncio.sleep(0.05)


def many(number: int, attack: Callable[..., Awaitable[None]], *given: bytes) -> Attack:
    async def run(target: Target) -> None:
        await asyncio.gather(*(attack(target, *given) for _ in range(number)))

    return run


def post(body: bytes, *headers: str) -> bytes:
    length = f"Content-Length: {len(body)}"
    return head("POST /v1/events", "Content-Type: application/json", length, *headers) + body


def event(**fields: object) -> dict[str, object]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "event_id": "e-1",
        "user_id": "u0001",
        "session_id": "s",
        "event_type": "view",
        "item_id": "i0000001",
        "event_at": now,
        **fields,
    }


def requests() -> dict[str, bytes]:
    """The requests that attacks repeat."""
    costly = "GET /v1/recommendations?user_id=u0002&k=100&diversity=0.5&reasons=true"
    forged = [event(event_id=f"e-{n}", impression_id=f"forged-{n}") for n in range(500)]
    similar = "GET /v1/similar?item_id=i0000001"
    return {
        "flood without a token": head(similar),
        "flood of costly requests": head(costly),
        "flood of forged impressions": post(json.dumps({"events": forged}).encode()),
        "replay": post(json.dumps({"events": [event(event_id="replayed")]}).encode()),
        "giant ids": head(f"GET /v1/similar?item_id={'x' * 30_000}"),
        "nested JSON": post(b"[" * 100_000),
        "decompression": post(gzip.compress(b"0" * 10**7), "Content-Encoding: gzip"),
        "rebinding": head(similar, host="x{y}.evil.test"),
    }


REPEATED_BY = {
    "flood without a token": WORKERS,
    "flood of costly requests": WORKERS,
    "flood of forged impressions": 4,
    "replay": WORKERS,
}
"""Connections that repeat a request; 8 for the others."""


def attacks() -> dict[str, Attack]:
    endless = "POST /v1/events"
    return {
        "slow headers": many(CONNECTIONS, drip, head("GET /healthz")[:-2], b"X-A: b\r\n"),
        "slow bodies": many(200, drip, head(endless, "Content-Length: 9999"), b"{"),
        "idle connections": many(CONNECTIONS, drip, b"", b""),
        "endless header": many(4, pour, head("GET /healthz")[:-2] + b"X-A: ", b"a" * 65536),
        "endless body": many(
            4,
            pour,
            head(endless, "Transfer-Encoding: chunked"),
            b"10000\r\n" + b"a" * 65536 + b"\r\n",
        ),
        **{
            name: many(REPEATED_BY.get(name, 8), repeat, request)
            for name, request in requests().items()
        },
    }


def main() -> None:
    name, port, seconds = sys.argv[1:]
    target = Target(int(port), float(seconds))
    asyncio.run(attacks()[name](target))
    print(json.dumps(target.counts))


if __name__ == "__main__":
    main()
