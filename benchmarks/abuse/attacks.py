"""Attacks on the real server beside a normal client at 30 requests/s."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.abuse.attacker import TOKEN, attacks
from benchmarks.rows import grid
from benchmarks.servers import Server, penchant_server, settings_at
from benchmarks.synthetic_shop import SNAPSHOT, USERS, write_shop
from penchant.api.auth.tokens import Tokens
from penchant.publishing.publish import publish
from penchant.settings import Settings

TITLE = "Attacks beside a normal client"
RATE = 30  # requests per second of the normal client
WARM_UP_SECONDS = 3.0
ITEMS = 10_000
MOST_TIMES, MOST_SHUTDOWN_SECONDS, MOST_GROWTH_MB = 3.0, 10.0, 150.0
UNTOKENED = {"flood without a token", "rebinding", "slow headers", "idle connections"}
SCOPES = ("recommendations:read", "events:write", "reasons:read")


@dataclass
class Normal:
    """What the normal client saw. ``shed``: 503 with Retry-After. ``errors``: anything else."""

    milliseconds: list[float]
    shed: int = 0
    errors: int = 0

    @property
    def p99(self) -> float:
        return float(np.percentile(self.milliseconds, 99)) if self.milliseconds else float("inf")


async def _normal(port: int, token: str, seconds: float) -> Normal:
    """An open loop: latency counts from when a request was due."""
    seen = Normal([])

    async def one(number: int, due: float) -> None:
        path = f"/v1/recommendations?user_id=u{number % USERS:04}&k=10"
        if number % 3 == 2:
            path = f"/v1/similar?item_id=i{number % ITEMS:07}"
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"{head}Connection: close\r\n\r\n".encode())
            answer = await asyncio.wait_for(reader.read(), 30)
            writer.close()
        except (OSError, TimeoutError):
            answer = b""
        status = answer[9:12]
        if status == b"200":
            seen.milliseconds.append(1000 * (time.perf_counter() - due))
        elif status == b"503" and b"retry-after" in answer.lower():
            seen.shed += 1
        else:
            seen.errors += 1

    started, tasks = time.perf_counter(), []
    for number in range(int(RATE * seconds)):
        due = started + number / RATE
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(number, due)))
    await asyncio.gather(*tasks)
    return seen


def measure(
    settings: Settings,
    *,
    seconds: float = 8.0,
    quiet_seconds: float = 6.0,
    attack: tuple[str, ...] = tuple(attacks()),
) -> dict[str, Any]:
    """``seconds`` of each attack, ``quiet_seconds`` before and after it."""
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as folder:
        home = settings_at(Path(folder) / "home")
        write_shop(home, ITEMS)
        publish(home, SNAPSHOT)
        _, normal = Tokens(home).make("normal", SCOPES)
        _, attacker = Tokens(home).make("attacker", SCOPES)
        with penchant_server(home.home, "/readyz", limited=True) as server:
            asyncio.run(_normal(server.port, normal, WARM_UP_SECONDS))
            quiet = [asyncio.run(_normal(server.port, normal, quiet_seconds))]
            rows = []
            for name in attack:
                rows.append(_beside(name, server, normal, attacker, seconds))
                quiet.append(asyncio.run(_normal(server.port, normal, quiet_seconds)))
                rows[-1]["quiet_p99"] = _pooled(quiet[-2:]).p99
        shutdown = _shutdown_seconds(home.home)
    return {
        "quiet_p99": _pooled(quiet).p99,
        "quiet_seconds": quiet_seconds,
        "quiet_errors": _pooled(quiet).errors,
        "attacks": rows,
        "shutdown_seconds": shutdown,
    }


def _pooled(seen: list[Normal]) -> Normal:
    return Normal(
        [one for each in seen for one in each.milliseconds],
        sum(each.shed for each in seen),
        sum(each.errors for each in seen),
    )


def _beside(
    name: str, server: Server, normal: str, attacker: str, seconds: float
) -> dict[str, Any]:
    """One attack. The normal client starts a second later, when the attack is in full swing."""
    before_mb = server.resident_mb()
    token = {} if name in UNTOKENED else {TOKEN: attacker}
    command = [sys.executable, "-m", "benchmarks.abuse.attacker", name, str(server.port)]
    attack = subprocess.Popen(
        [*command, str(seconds + 2)],
        env={**os.environ, **token},
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(1)
    seen = asyncio.run(_normal(server.port, normal, seconds))
    output, _ = attack.communicate(timeout=60)
    return {
        "attack": name,
        "p99": seen.p99,
        "answered": len(seen.milliseconds),
        "shed": seen.shed,
        "errors": seen.errors,
        "growth_mb": server.resident_mb() - before_mb,
        "attacker": json.loads(output),
    }


def _shutdown_seconds(home: Path) -> float:
    """From SIGTERM to the end, while a body is being sent slowly."""
    with (
        penchant_server(home, "/readyz", limited=True) as server,
        socket.create_connection(("127.0.0.1", server.port)) as slow,
    ):
        slow.sendall(b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\n")
        slow.sendall(b"Content-Length: 9\r\n\r\n{")
        started = time.monotonic()
        os.kill(server.process_id, signal.SIGTERM)
        while _is_running(server.process_id) and time.monotonic() - started < 60:
            time.sleep(0.05)
        return time.monotonic() - started


def _is_running(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def page(figures: dict[str, Any]) -> str:
    lines = []
    for row in figures["attacks"]:
        times = row["p99"] / row["quiet_p99"]
        met = times <= MOST_TIMES and not row["errors"] and row["growth_mb"] <= MOST_GROWTH_MB
        did = ", ".join(f"{count:,} {what}" for what, count in sorted(row["attacker"].items()))
        p99s = [f"{row['p99']:.0f}", f"{row['quiet_p99']:.0f}", f"{times:.1f}"]
        numbers = [*p99s, str(row["shed"]), str(row["errors"])]
        growth = f"{row['growth_mb']:.0f}"
        lines.append([row["attack"], *numbers, growth, did, "" if met else "missed"])
    head = ["attack", "p99, ms", "quiet, ms", "times quiet", "503", "errors", "MB more"]
    head += ["the attacker got", ""]
    late = "" if figures["shutdown_seconds"] <= MOST_SHUTDOWN_SECONDS else ", missed"
    return (
        f"A normal client sends {RATE} requests/s on new connections. Its p99 is "
        f"{figures['quiet_p99']:.0f} ms in all quiet seconds; *quiet* is that of the "
        f"{2 * figures['quiet_seconds']:g} s around an attack. Targets beside each attack: p99 at "
        f"most {MOST_TIMES:g} times the quiet one, no error but 503 with Retry-After, at most "
        f"{MOST_GROWTH_MB:g} MB more.\n\n{grid(head, lines)}\n\n"
        f"SIGTERM while a body is sent slowly: ended in {figures['shutdown_seconds']:.1f} s "
        f"(target: at most {MOST_SHUTDOWN_SECONDS:g} s{late})."
    )
