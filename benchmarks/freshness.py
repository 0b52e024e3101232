"""How soon an answer knows of an event: real servers on one log, under a steady load of events.

Measured on the live release of PENCHANT_HOME, whose log is left alone.
Each event is posted to one server, then recommendations are asked for, of that server or, where
there are two, of the other. Timed is what lies between the moment at which the event was due and
the first answer that differs from the one before it: a queue counts.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.main_job import free_port
from benchmarks.rows import Row, table
from penchant.releases.release import ITEM_VECTORS, RANKED_LISTS
from penchant.settings import Settings

TITLE = "Freshness"
PENCHANT = Path(sys.executable).with_name("penchant")
ASKED = 3  # times, after which an answer counts as unchanged
PAUSE_SECONDS = 0.02  # between two of them
ALONE = 10  # of so many events one is preceded by two equal questions
USERS = 250  # each is told of by turns
SHOWN = 10
WORKERS = 24
Answer = list[tuple[str, float]]


@dataclass(frozen=True)
class Told:
    """One event: milliseconds to its acknowledgement and to the answer that knew of it, None where
    none did; and whether an answer without an event between differed."""

    acknowledged: float
    known: float | None
    moved_alone: bool


class Services(threading.local):
    """Connections of one thread."""

    def __init__(self, ports: tuple[int, ...]) -> None:
        self.connections = [HTTPConnection("127.0.0.1", port, timeout=10) for port in ports]

    def post(self, which: int, event: dict[str, Any]) -> None:
        body = json.dumps({"events": [event]})
        self._ask(which, "POST", "/v1/events", body, 202)

    def recommended(self, which: int, user_id: str) -> Answer:
        path = f"/v1/recommendations?user_id={user_id}&k={SHOWN}"
        found = json.loads(self._ask(which, "GET", path, None, 200))
        return [(item["item_id"], item["score"]) for item in found["items"]]

    def _ask(self, which: int, method: str, path: str, body: str | None, status: int) -> bytes:
        connection = self.connections[which]
        connection.request(method, path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        read = answer.read()
        if answer.status != status:
            raise RuntimeError(f"{method} {path}: {answer.status} {read[:300]!r}")
        return read


def tell(services: Services, user_id: str, item_id: str, number: int, due: float) -> Told:
    posts, asks = number % len(services.connections), (number + 1) % len(services.connections)
    before = services.recommended(asks, user_id)
    moved_alone = number % ALONE == 0 and services.recommended(asks, user_id) != before
    time.sleep(max(0.0, due - time.monotonic()))
    event = {
        "event_id": f"e{number}",
        "user_id": user_id,
        "session_id": f"s{number}",
        "event_type": "purchase",
        "item_id": item_id,
        "event_at": datetime.now(UTC).isoformat(),
    }
    services.post(posts, event)
    acknowledged, known = time.monotonic() - due, None
    for asked in range(ASKED):
        time.sleep(PAUSE_SECONDS if asked else 0)
        if services.recommended(asks, user_id) != before:
            known = time.monotonic() - due
            break
    return Told(1000 * acknowledged, None if known is None else 1000 * known, moved_alone)


def ask(settings: Settings, ports: tuple[int, ...], a_second: float, seconds: float) -> list[Told]:
    """Each event of a user who was drawn, about an item that was drawn."""
    release = settings.releases / str(settings.live_release.current())
    users, items = (
        pq.read_table(release / f"{view.name}.parquet", columns=[view.key])[view.key].to_pylist()
        for view in (RANKED_LISTS, ITEM_VECTORS)
    )
    random, services = np.random.default_rng(0), Services(ports)
    count = int(a_second * seconds)
    users = random.permutation(users)
    drawn = [(users[at % USERS], item) for at, item in enumerate(random.choice(items, count))]
    for user_id in users[:WORKERS]:  # what a first request opens is not what is measured
        for which in range(len(ports)):
            services.recommended(which, user_id)
    start = time.monotonic() + 0.5
    with ThreadPoolExecutor(WORKERS) as pool:
        told = [
            pool.submit(tell, services, *drawn[number], number, start + number / a_second)
            for number in range(count)
        ]
        return [each.result() for each in told]


@contextmanager
def serving(settings: Settings, servers: int) -> Iterator[tuple[int, ...]]:
    """Servers of one home that has all that ``settings`` names but the log."""
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as home, ExitStack() as running:
        for path in settings.home.iterdir():
            if path.name not in (settings.feedback.name, "tokens.json"):
                (Path(home) / path.name).symlink_to(path.resolve())
        ports = tuple(free_port() for _ in range(servers))
        for port in ports:
            environment = {
                **os.environ,
                "PENCHANT_HOME": home,
                "PENCHANT_API_PORT": str(port),
                "PENCHANT_REQUESTS_A_SECOND": "100000",
            }
            log = running.enter_context((Path(home) / f"{port}.log").open("wb"))
            process = subprocess.Popen([PENCHANT, "serve"], env=environment, stdout=log, stderr=log)
            running.callback(process.wait)
            running.callback(process.terminate)
        try:
            for port in ports:
                _wait(port)
            yield ports
        except (OSError, RuntimeError):
            for port in ports:
                print((Path(home) / f"{port}.log").read_text()[-2000:], file=sys.stderr)
            raise


def _wait(port: int) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            if time.monotonic() > until:
                raise
        time.sleep(0.1)


def figures(told: list[Told]) -> dict[str, float]:
    known = np.array([each.known for each in told if each.known is not None])
    acknowledged = np.array([each.acknowledged for each in told])
    changed = [each.known is not None for each in told]
    found = {"first": float(np.mean(changed[:USERS])), "later": 0.0}
    if changed[USERS:]:
        found["later"] = float(np.mean(changed[USERS:]))
    found["moved_alone"] = float(np.mean([each.moved_alone for each in told[::ALONE]]))
    for name, values in (("known", known), ("acknowledged", acknowledged)):
        found |= {f"{name}_p{q}_ms": float(np.percentile(values, q)) for q in (50, 95, 99)}
    return found


def measure(settings: Settings, *, a_second: float = 50.0, seconds: float = 20.0) -> dict[str, Any]:
    rows = []
    for servers in (1, 2):
        with serving(settings, servers) as ports:
            one = figures(ask(settings, ports, a_second, seconds))
        where = "one server" if servers == 1 else "two servers, read from the other"
        rows += [
            Row(f"{where}: POST to changed answer, p50", one["known_p50_ms"], "ms"),
            Row(f"{where}: POST to changed answer, p95", one["known_p95_ms"], "ms", "<= 300"),
            Row(f"{where}: POST to changed answer, p99", one["known_p99_ms"], "ms"),
            Row(f"{where}: POST to acknowledged, p95", one["acknowledged_p95_ms"], "ms"),
            Row(f"{where}: first ten changed by a user's first event", one["first"], ""),
            Row(f"{where}: first ten changed by a later one", one["later"], ""),
            Row(f"{where}: first ten changed without an event", one["moved_alone"], ""),
        ]
    return {"rows": [row.as_dict() for row in rows]}


def page(figures: dict[str, Any]) -> str:
    return table(figures["rows"])
