"""Many server errors reach a person, once an hour, and no answer waits for it."""

import json
import socket
import time

import pytest
from patience import PATIENCE

from penchant.alerts import sinks
from penchant.api.error_alarm import LEAST_ERRORS, PAUSE_SECONDS, ErrorAlarm
from penchant.settings import Settings


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def alerts(settings: Settings, expected: int) -> list[dict[str, object]]:
    path = settings.home / "alerts" / "alerts.jsonl"
    give_up_at = time.monotonic() + PATIENCE
    while time.monotonic() < give_up_at:
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) >= expected:
            return [json.loads(line) for line in lines]
        time.sleep(0.01)
    raise AssertionError(f"not {expected} alerts")


def test_alert_is_sent_once_while_errors_last(settings: Settings) -> None:
    clock = Clock()
    alarm = ErrorAlarm(settings, clock)
    for _ in range(3 * LEAST_ERRORS):
        alarm.record(500)
    (alert,) = alerts(settings, 1)
    assert alert["kind"] == "api-errors" and alert["tier"] == "tier-1"
    clock.now += PAUSE_SECONDS
    for _ in range(LEAST_ERRORS):
        alarm.record(500)
    assert len(alerts(settings, 2)) == 2


@pytest.mark.parametrize(
    ("status", "answers", "seconds_apart"),
    [
        (503, 0, 0.0),  # shed load
        (404, 0, 0.0),
        (500, 100 * LEAST_ERRORS, 0.0),  # few among many answers
        (500, 0, 60.0),  # few at a time
    ],
)
def test_few_or_expected_errors_are_no_alarm(
    settings: Settings, status: int, answers: int, seconds_apart: float
) -> None:
    clock = Clock()
    alarm = ErrorAlarm(settings, clock)
    for _ in range(answers):
        alarm.record(200)
    for _ in range(2 * LEAST_ERRORS - 1):
        alarm.record(status)
        clock.now += seconds_apart
    time.sleep(0.05)
    assert not (settings.home / "alerts").exists()


def test_sink_that_hangs_holds_up_no_answer(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks, "TIMEOUT_SECONDS", 5.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        alarm = ErrorAlarm(settings.model_copy(update={"alert_webhook_url": url}))
        began = time.monotonic()
        for _ in range(LEAST_ERRORS):
            alarm.record(500)
        assert time.monotonic() - began < 2
        assert alerts(settings, 1)
