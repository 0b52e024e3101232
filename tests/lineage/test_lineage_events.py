"""OpenLineage events: what they say, and that no endpoint fails or holds up a stage."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from small_shop import Shop, snapshot_id

from penchant.artifacts import Snapshot
from penchant.errors import DataError, NothingToDo
from penchant.lineage import delivery, stages
from penchant.lineage.events import NAMESPACE, Data, lineage
from penchant.settings import Settings


def to_file(settings: Settings) -> Settings:
    return settings.model_copy(update={"lineage": str(settings.home / "lineage" / "events.jsonl")})


def written(settings: Settings) -> list[dict[str, Any]]:
    path = settings.home / "lineage" / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def received() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A local endpoint: its URL, and the events that it received."""
    events: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            events.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api/v1/lineage", events
    server.shutdown()


def test_stage_sends_its_start_and_what_it_read_and_wrote(
    settings: Settings, received: tuple[str, list[dict[str, Any]]]
) -> None:
    url, events = received
    with lineage(settings.model_copy(update={"lineage": url}), "build") as stage:
        stage.inputs = [Data("landing/files/events", "abc")]
        stage.outputs = [Data("marts/events", "s-1", 12)]
    start, complete = events
    assert [start["eventType"], complete["eventType"]] == ["START", "COMPLETE"]
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert complete["job"]["namespace"] == NAMESPACE and complete["job"]["name"].endswith(".build")
    assert set(complete) >= {"eventTime", "producer", "schemaURL", "inputs", "outputs"}
    (mart,) = complete["outputs"]
    assert (mart["namespace"], mart["name"]) == (NAMESPACE, "marts/events")
    assert mart["facets"]["version"]["datasetVersion"] == "s-1"
    assert mart["outputFacets"]["outputStatistics"]["rowCount"] == 12


@pytest.mark.parametrize(
    ("error", "state"),
    [(DataError("row of u1", "fix it"), "FAIL"), (NothingToDo("no files", "nothing"), "ABORT")],
)
def test_failure_is_told_without_data(settings: Settings, error: Exception, state: str) -> None:
    to = to_file(settings)
    with pytest.raises(type(error)), lineage(to, "build"):
        raise error
    assert [each["eventType"] for each in written(to)] == ["START", state]
    assert "u1" not in json.dumps(written(to))


def test_endpoint_that_hangs_costs_a_stage_a_moment(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LAST_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        began = time.monotonic()
        with lineage(settings.model_copy(update={"lineage": url}), "build"):
            pass
        assert time.monotonic() - began < delivery.TIMEOUT_SECONDS


@pytest.mark.parametrize("to", ["http://127.0.0.1:9/", "http://[", "/proc/nowhere/events.jsonl"])
def test_endpoint_that_cannot_be_reached_fails_no_stage(settings: Settings, to: str) -> None:
    with lineage(settings.model_copy(update={"lineage": to}), "build") as stage:
        stage.outputs = [Data("marts/events")]


def test_nothing_is_sent_without_the_setting(settings: Settings) -> None:
    with lineage(settings, "build"):
        pass
    assert not settings.home.exists()


def test_release_is_made_of_runs_and_marts(published: Shop) -> None:
    release_id = published.settings.live_release.current()
    assert release_id is not None
    inputs, (release,) = stages.released(published.settings, release_id)
    assert (release.name, release.version) == ("releases", release_id)
    assert {"models/matrix_factorization", "models/popularity", "marts/items"} <= {
        each.name for each in inputs
    }


def test_marts_of_a_snapshot_have_their_rows(shop: Shop) -> None:
    snapshot = Snapshot.open(shop.settings, snapshot_id(1))
    (items,) = stages.marts(snapshot, "items")
    assert items == Data("marts/items", snapshot.id, 120)
    assert len(stages.marts(snapshot)) == len(snapshot.description.marts)


def test_sizes_of_marts_have_seconds_where_dbt_left_them(shop: Shop) -> None:
    snapshot = Snapshot.open(shop.settings, snapshot_id(1))
    results = [{"unique_id": "model.penchant.items", "execution_time": 0.123}]
    (snapshot.path / "run_results.json").write_text(json.dumps({"results": results}))
    sizes = snapshot.mart_sizes()
    assert sizes["items"] == {"rows": 120, "seconds": 0.12}
    assert sizes["users"] == {"rows": 30}
