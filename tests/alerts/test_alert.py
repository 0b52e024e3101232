"""Alerts reach every sink, once where that is asked for, and never fail the caller."""

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from penchant.alerts import sinks
from penchant.alerts.alert import Alert, kind_of, send
from penchant.alerts.deadline import check_deadline
from penchant.commands.models import tell_of_budget
from penchant.errors import BudgetExceeded, NothingToDo, UsageError
from penchant.settings import Settings
from penchant.subjects import Subjects

SNAPSHOT = "s-20180102-000000000001"


@pytest.fixture
def received() -> Iterator[tuple[str, list[dict[str, object]]]]:
    """A local endpoint: its URL, and the bodies that it received."""
    bodies: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", bodies
    server.shutdown()


def written(settings: Settings) -> list[dict[str, object]]:
    lines = (settings.home / "alerts" / "alerts.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_alert_reaches_every_sink(
    settings: Settings, received: tuple[str, list[dict[str, object]]]
) -> None:
    url, bodies = received
    both = settings.model_copy(update={"alert_slack_url": url, "alert_webhook_url": url})
    alert = Alert("task-failed", "build failed.", owner="data", tier="tier-1", runbook="a page")
    assert send(both, alert) == ("file", "slack", "webhook")
    expected = "[tier-1] task-failed: build failed. Owner: data. Runbook: a page"
    assert bodies == [{"text": expected}, alert.as_dict()]
    assert written(settings)[0]["text"] == "build failed."


def test_same_key_is_sent_once(settings: Settings) -> None:
    assert send(settings, Alert("quarantine", "a file", key="1")) == ("file",)
    assert send(settings, Alert("quarantine", "a file", key="1")) == ()
    assert send(settings, Alert("no-release", "late", key="1")) == ("file",)
    assert len(written(settings)) == 2


def test_endpoint_that_hangs_is_given_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        hanging = settings.model_copy(
            update={
                "alert_webhook_url": f"http://127.0.0.1:{port}/",
                "alert_email": "data@example.org",
                "alert_smtp": f"127.0.0.1:{port}",
            }
        )
        assert send(hanging, Alert("task-failed", "build failed.")) == ("file",)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown kind of alert 'fire'"):
        kind_of("fire")


def test_snapshot_without_a_release_by_its_deadline(settings: Settings) -> None:
    with pytest.raises(NothingToDo):
        check_deadline(settings)
    settings.live_snapshot.flip(SNAPSHOT)
    now = datetime.now(UTC)
    with pytest.raises(NothingToDo, match="no release and no erasure is late"):
        check_deadline(settings, now)
    for _ in range(2):
        (late,) = check_deadline(settings, now + timedelta(hours=25))
        assert SNAPSHOT in late.text
    assert len(written(settings)) == 1


def test_erasure_whose_legal_deadline_is_near(settings: Settings) -> None:
    asked = datetime(2026, 3, 1)
    subjects = Subjects(settings)
    subjects.request("object", "u2", asked)
    request = subjects.request("erase", "u1", asked)
    near = asked.replace(tzinfo=UTC) + timedelta(days=23)
    with pytest.raises(NothingToDo):
        check_deadline(settings, near - timedelta(seconds=1))
    for _ in range(2):
        (late,) = check_deadline(settings, near)
        assert late.text == f"erasure {request.id} must be complete by 2026-03-31: it is requested."
    assert len(written(settings)) == 1
    request.model_copy(update={"state": "complete", "user_id": None}).save(settings)
    with pytest.raises(NothingToDo):
        check_deadline(settings, near)


def test_clock_that_steps_back_raises_no_alarm(settings: Settings) -> None:
    settings.live_snapshot.flip(SNAPSHOT)
    with pytest.raises(NothingToDo):
        check_deadline(settings, datetime.now(UTC) - timedelta(days=400))


def test_family_over_its_budget_is_told_once_a_snapshot(settings: Settings) -> None:
    error = BudgetExceeded("training took more than its 240 s of CPU time", "raise the budget")
    for _ in range(2):
        tell_of_budget(settings, SNAPSHOT, "sasrec", error)
    (alert,) = written(settings)
    assert (alert["kind"], alert["tier"]) == ("over-budget", "tier-3")
    assert "sasrec on s-20180102" in str(alert["text"])
