"""CPU time of the server for each request of an attack, without a rate limit.

Other work on the machine changes it less than the time until an answer.
"""

import os
import socket
import tempfile
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

from benchmarks.abuse.attacker import TOKEN, head, requests
from benchmarks.abuse.attacks import ITEMS, SCOPES, UNTOKENED
from benchmarks.rows import grid
from benchmarks.servers import Server, penchant_server, settings_at
from benchmarks.synthetic_shop import SNAPSHOT, write_shop
from penchant.api.auth.tokens import Tokens
from penchant.publishing.publish import publish
from penchant.settings import Settings

TITLE = "The server's work for each request"
WARM_UP = 20  # requests
LEAST_SECONDS, BATCH, MOST_BATCHES = 1.0, 50, 40  # of CPU time; requests; batches
TRIVIAL = "/livez, for comparison"


def measure(settings: Settings) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as folder:
        home = settings_at(Path(folder) / "home")
        write_shop(home, ITEMS)
        publish(home, SNAPSHOT)
        _, secret = Tokens(home).make("attacker", SCOPES)
        named = {TRIVIAL: head("GET /livez"), **requests()}
        os.environ[TOKEN] = secret
        try:
            named |= {name: one for name, one in requests().items() if name not in UNTOKENED}
        finally:
            del os.environ[TOKEN]
        with penchant_server(home.home, "/readyz") as server:
            rows = [{"what": name, **_cost(server, one)} for name, one in named.items()]
    return {"rows": rows}


def _cost(server: Server, request: bytes) -> dict[str, Any]:
    """CPU milliseconds of the server for each of many equal requests, and the last status."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        for _ in range(WARM_UP):
            status = _send(connection, request)
        before, batches = server.cpu_seconds(), 0
        while server.cpu_seconds() - before < LEAST_SECONDS and batches < MOST_BATCHES:
            batches += 1
            for _ in range(BATCH):
                status = _send(connection, request)
        used = server.cpu_seconds() - before
    return {"milliseconds": 1000 * used / (batches * BATCH), "status": status}


def _send(connection: socket.socket, request: bytes) -> int:
    connection.sendall(request)
    answer = HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status


def page(figures: dict[str, Any]) -> str:
    lines = [
        [row["what"], str(row["status"]), f"{row['milliseconds']:.2f}"] for row in figures["rows"]
    ]
    return (
        "CPU time of the server for each request, one by one on one connection, without a rate "
        f"limit.\n\n{grid(['request', 'status', 'CPU, ms'], lines)}"
    )
