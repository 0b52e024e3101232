"""The client of Airflow's REST API against a server that fails."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from penchant.errors import PenchantError
from penchant.platform import rest
from penchant.platform.rest import Airflow

RUN = {"dag_id": "d", "dag_run_id": "r", "state": "queued", "run_after": "2026-01-01T12:00:00Z"}
DROP = "drop the connection"


class FakeServer(ThreadingHTTPServer):
    """Responds with scripted (status, body) pairs per method and path; the last one repeats."""

    def __init__(self) -> None:
        self.script: dict[str, list[Any]] = {"GET /auth/token": [(200, {"access_token": "t"})]}
        self.requests: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: FakeServer

    def respond(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = f"{self.command} {self.path.split('?')[0].removeprefix('/api/v2')}"
        self.server.requests.append(request)
        script = self.server.script[request]
        scripted = script.pop(0) if len(script) > 1 else script[0]
        if scripted == DROP:
            self.close_connection = True
            return
        status, body = scripted
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    do_GET = do_POST = do_PATCH = do_DELETE = respond

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    monkeypatch.setattr(rest, "FIRST_PAUSE_SECONDS", 0.001)
    with FakeServer() as fake:
        threading.Thread(target=fake.serve_forever, daemon=True).start()
        yield fake
        fake.shutdown()


def client(server: FakeServer, require_alive: Any = lambda: None) -> Airflow:
    return Airflow(f"http://127.0.0.1:{server.server_port}", require_alive)


def test_retries_server_errors_and_lost_connections(server: FakeServer) -> None:
    server.script["GET /auth/token"] = [DROP, (503, {}), (200, {"access_token": "t"})]
    server.script["GET /dags"] = [(500, "locked"), DROP, (429, {}), (200, {"dags": []})]
    with client(server) as airflow:
        assert airflow.dag_ids() == set()
    assert server.requests.count("GET /dags") == 4


def test_writes_are_retried_too(server: FakeServer) -> None:
    server.script["POST /pools"] = [(500, {}), (201, {})]
    server.script["DELETE /dags/d/assets/queuedEvents"] = [(500, {}), (404, {})]
    with client(server) as airflow:
        airflow.set_pool("gpu", 1, "why")
        airflow.drop_queued_events("d")
    assert server.requests.count("POST /pools") == 2


def test_trigger_finds_the_run_of_a_try_whose_response_was_lost(server: FakeServer) -> None:
    server.script["POST /dags/d/dagRuns"] = [DROP, (409, {"detail": "exists"})]
    server.script["GET /dags/d/dagRuns/r"] = [(200, RUN)]
    with client(server) as airflow:
        assert airflow.trigger("d", "r").run_id == "r"


def test_existing_pool_is_updated(server: FakeServer) -> None:
    server.script["POST /pools"] = [(409, {})]
    server.script["PATCH /pools/gpu"] = [(500, {}), (200, {})]
    with client(server) as airflow:
        airflow.set_pool("gpu", 2, "why")
    assert server.requests[-2:] == ["PATCH /pools/gpu"] * 2


def test_finished_and_unknown_runs_are_not_failed(server: FakeServer) -> None:
    server.script["GET /dags/d/dagRuns/r"] = [(404, {}), (200, RUN | {"state": "success"})]
    with client(server) as airflow:
        airflow.fail_run("d", "r")
        airflow.fail_run("d", "r")
    assert not any(request.startswith("PATCH") for request in server.requests)


def test_gives_up_at_the_deadline_with_the_last_response(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "DEADLINE_SECONDS", 0.05)
    server.script["GET /dags"] = [(500, "database is locked")]
    with client(server) as airflow, pytest.raises(PenchantError) as raised:
        airflow.dag_ids()
    assert "GET /dags" in raised.value.cause and "database is locked" in raised.value.cause


def test_does_not_retry_when_a_service_has_ended(server: FakeServer) -> None:
    server.script["GET /dags"] = [(500, {})]
    alive = True

    def require_alive() -> None:
        if not alive:
            raise PenchantError("api-server exited with status 1", "read its log")

    with client(server, require_alive) as airflow:
        alive = False
        with pytest.raises(PenchantError, match="api-server exited"):
            airflow.dag_ids()
    assert server.requests.count("GET /dags") == 1


def test_client_error_is_not_retried(server: FakeServer) -> None:
    server.script["GET /dags"] = [(403, {"detail": "forbidden"})]
    with client(server) as airflow, pytest.raises(PenchantError, match="status 403"):
        airflow.dag_ids()
    assert server.requests.count("GET /dags") == 1


def test_proxy_variables_are_ignored(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.script["GET /dags"] = [(200, {"dags": [{"dag_id": "d"}]})]
    with client(server) as airflow:
        assert airflow.dag_ids() == {"d"}
