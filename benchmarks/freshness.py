"""Time from an event to the first recommendations that use it, under a steady load of events.

Measured on the live release of PENCHANT_HOME with a feedback log of its own. Each event is posted
to one server, then recommendations are requested from that server or, where there are two, from
the other. Times count from the moment the event was due, so queueing is included.
"""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.rows import Row, table
from benchmarks.servers import headers_for, penchant_server, read_only_home
from penchant.releases.release import ITEM_VECTORS, RANKED_LISTS
from penchant.settings import Settings

TITLE = "Freshness"
POLLS = 3  # after so many unchanged responses an event counts as without effect
POLL_SECONDS = 0.02
CONTROL_EVERY = 10  # one of so many events is preceded by two equal requests
USERS = 250  # events go to each of them in turn
SHOWN = 10
WORKERS = 24
Recommended = list[tuple[str, float]]


@dataclass(frozen=True)
class EventTiming:
    """Milliseconds to the acknowledgement and to changed recommendations, None if none changed.

    ``changed_without_event``: whether two requests with no event between them differed.
    """

    acknowledged: float
    changed: float | None
    changed_without_event: bool


class Clients(threading.local):
    """One connection to each server for each thread."""

    def __init__(self, ports: list[int]) -> None:
        self.connections = [HTTPConnection("127.0.0.1", port, timeout=10) for port in ports]

    def post(self, server: int, event: dict[str, Any]) -> None:
        self._send(server, "POST", "/v1/events", json.dumps({"events": [event]}), 202)

    def recommended(self, server: int, user_id: str) -> Recommended:
        path = f"/v1/recommendations?user_id={user_id}&k={SHOWN}"
        found = json.loads(self._send(server, "GET", path, None, 200))
        return [(item["item_id"], item["score"]) for item in found["items"]]

    def _send(self, server: int, method: str, path: str, body: str | None, status: int) -> bytes:
        connection = self.connections[server]
        headers = {"content-type": "application/json", **headers_for(connection.port)}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        if response.status != status:
            raise RuntimeError(f"{method} {path}: {response.status} {content[:300]!r}")
        return content


def time_event(
    clients: Clients, user_id: str, item_id: str, number: int, due: float
) -> EventTiming:
    servers = len(clients.connections)
    writer, reader = number % servers, (number + 1) % servers
    before = clients.recommended(reader, user_id)
    control = number % CONTROL_EVERY == 0 and clients.recommended(reader, user_id) != before
    time.sleep(max(0.0, due - time.monotonic()))
    event = {
        "event_id": f"e{number}",
        "user_id": user_id,
        "session_id": f"s{number}",
        "event_type": "purchase",
        "item_id": item_id,
        "event_at": datetime.now(UTC).isoformat(),
    }
    clients.post(writer, event)
    acknowledged = time.monotonic() - due
    for poll in range(POLLS):
        time.sleep(POLL_SECONDS if poll else 0)
        if clients.recommended(reader, user_id) != before:
            return EventTiming(1000 * acknowledged, 1000 * (time.monotonic() - due), control)
    return EventTiming(1000 * acknowledged, None, control)


def time_events(
    settings: Settings, ports: list[int], a_second: float, seconds: float
) -> list[EventTiming]:
    """Post events of drawn users about drawn items."""
    release = settings.releases / str(settings.live_release.current())
    users, items = (
        pq.read_table(release / f"{view.name}.parquet", columns=[view.key])[view.key].to_pylist()
        for view in (RANKED_LISTS, ITEM_VECTORS)
    )
    random, clients = np.random.default_rng(0), Clients(ports)
    count = int(a_second * seconds)
    users = random.permutation(users)
    drawn = [(users[at % USERS], item) for at, item in enumerate(random.choice(items, count))]
    for user_id in users[:WORKERS]:  # warm up: first requests open files and connections
        for server in range(len(ports)):
            clients.recommended(server, user_id)
    start = time.monotonic() + 0.5
    with ThreadPoolExecutor(WORKERS) as pool:
        timings = [
            pool.submit(time_event, clients, *drawn[number], number, start + number / a_second)
            for number in range(count)
        ]
        return [each.result() for each in timings]


def measure(settings: Settings, *, a_second: float = 50.0, seconds: float = 20.0) -> dict[str, Any]:
    rows = []
    for servers in (1, 2):
        with read_only_home(settings) as home, ExitStack() as running:
            ports = [running.enter_context(penchant_server(home)).port for _ in range(servers)]
            timings = time_events(settings, ports, a_second, seconds)
        where = "one server" if servers == 1 else "two servers, read from the other"
        rows += [
            Row(f"{where}: {row.what}", row.ours, row.unit, row.target) for row in _rows(timings)
        ]
    return {"rows": [row.as_dict() for row in rows]}


def _rows(timings: list[EventTiming]) -> list[Row]:
    latencies = [each.changed for each in timings if each.changed is not None]
    acknowledged = [each.acknowledged for each in timings]
    changed = [each.changed is not None for each in timings]
    later = float(np.mean(changed[USERS:])) if changed[USERS:] else 0.0
    control = [each.changed_without_event for each in timings[::CONTROL_EVERY]]
    p50, p95, p99 = (float(at) for at in np.percentile(latencies, (50, 95, 99)))
    return [
        Row("POST to changed recommendations, p50", p50, "ms"),
        Row("POST to changed recommendations, p95", p95, "ms", "<= 300"),
        Row("POST to changed recommendations, p99", p99, "ms"),
        Row("POST to acknowledged, p95", float(np.percentile(acknowledged, 95)), "ms"),
        Row("share of top tens changed by a user's first event", float(np.mean(changed[:USERS]))),
        Row("share of top tens changed by a later event", later),
        Row("share of top tens changed without an event", float(np.mean(control))),
    ]


def page(figures: dict[str, Any]) -> str:
    return table(figures["rows"])
