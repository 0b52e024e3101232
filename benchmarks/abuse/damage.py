"""Kill storms, a full disk and truncated files, on the real server."""

import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from benchmarks.rows import Row, table
from benchmarks.servers import headers_for, penchant_server, settings_at
from benchmarks.synthetic_shop import SNAPSHOT, write_shop
from penchant.feedback.identity import sent_id
from penchant.feedback.log import FeedbackLog
from penchant.publishing.publish import publish
from penchant.settings import Settings

TITLE = "Kills and damage"
ITEMS, KILLS, DISK = 2_000, 5, "1m"
BATCH = 100  # events of a request that fills the disk
MOST_REQUESTS = 200  # until the disk is full


class Client:
    """One connection to the server on a port."""

    def __init__(self, port: int) -> None:
        self._port, self._connection = port, HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path: str) -> tuple[int, Any]:
        return self._send("GET", path, None)

    def post_events(self, ids: list[str]) -> int:
        now = datetime.now(UTC).isoformat()
        event = {"user_id": "u0001", "session_id": "s", "event_type": "view", "event_at": now}
        events = [{**event, "event_id": each, "item_id": "i0000001"} for each in ids]
        return self._send("POST", "/v1/events", json.dumps({"events": events}))[0]

    def _send(self, method: str, path: str, body: str | None) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json", **headers_for(self._port)}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())


def measure(settings: Settings) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as folder:
        home = settings_at(Path(folder) / "home")
        write_shop(home, ITEMS)
        publish(home, SNAPSHOT)
        rows = [*_kill_storm(home), *_full_disk(home), *_truncated_files(home)]
    return {"rows": [row.as_dict() for row in rows]}


def _kill_storm(home: Settings) -> list[Row]:
    """Post events one by one and kill the server while it writes."""
    acknowledged: set[str] = set()
    for kill in range(KILLS):
        with penchant_server(home.home) as server:
            client, until = Client(server.port), time.monotonic() + random.Random(kill).random()
            number = 0
            while True:
                event_id = f"{kill}-{number}"
                if time.monotonic() > until:
                    os.kill(server.process_id, signal.SIGKILL)
                try:
                    if client.post_events([event_id]) == 202:
                        acknowledged.add(event_id)
                except (OSError, HTTPException):
                    break
                number += 1
    log = FeedbackLog.of(home)
    log.seal()
    kept = {
        sent_id(json.loads(line)["event_id"])
        for file in log.sealed("events")
        for line in file.read_text().splitlines()
    }
    return [
        Row(f"events acknowledged before {KILLS} kills", len(acknowledged)),
        Row("of these lost", len(acknowledged - kept), target="<= 0"),
    ]


def _full_disk(home: Settings) -> list[Row]:
    with small_disk(home.feedback) as mounted:
        if not mounted:
            return [Row("full disk", "not measured: mounting needs root")]
        with penchant_server(home.home) as server:
            client, statuses = Client(server.port), []
            while 507 not in statuses and len(statuses) < MOST_REQUESTS:
                ids = [f"full-{len(statuses)}-{number}" for number in range(BATCH)]
                statuses.append(client.post_events(ids))
            read, _ = client.get("/v1/recommendations?user_id=u0002&k=10")
            _, ready = client.get("/readyz")
    return [
        Row("full disk: status of events", float(statuses[-1]), target=">= 507"),
        Row("full disk: status of recommendations", float(read), target="<= 200"),
        Row("full disk: status of /readyz", str(ready["status"])),
    ]


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A file system of its own at a folder, while in the block; False where it isn't permitted."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _truncated_files(home: Settings) -> list[Row]:
    """Truncate every large file of the live release while it is served, then start again."""
    live = home.live_release.current()
    assert live is not None
    files = [
        path
        for path in (home.releases / live).rglob("*")
        if path.suffix in (".arrow", ".npy", ".usearch")
    ]
    with penchant_server(home.home) as server:
        client = Client(server.port)
        client.get("/v1/recommendations?user_id=u0003&k=10")
        for file in files:
            os.truncate(file, file.stat().st_size // 2)
        statuses = [
            client.get(f"/v1/recommendations?user_id=u{number:04}&k=10")[0] for number in range(50)
        ]
    with penchant_server(home.home, "/healthz") as server:
        ready, problem = Client(server.port).get("/readyz")
    return [
        Row("files truncated while served: worst status", float(max(statuses)), target="<= 200"),
        Row("after a restart: status of /readyz", float(ready), target=">= 503"),
        Row("after a restart: its reason names the file", problem["detail"].rpartition("/")[2]),
    ]


def page(figures: dict[str, Any]) -> str:
    return table(figures["rows"])
