"""All processes of a platform end with it, in every way that it can end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from patience import PATIENCE

from penchant.errors import PenchantError, UsageError
from penchant.platform import running
from penchant.platform.processes import end_marked, mark, marked
from penchant.platform.restarts import STABLE_SECONDS, Restarts
from penchant.platform.running import Platform, end_staying, platform, require_none, state
from penchant.platform.services import Service
from penchant.settings import Settings

DAEMONIZES = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
time.sleep(600)
"""


@pytest.fixture
def hidden(settings: Settings) -> Path:
    """File in which the daemonized grandchild writes its process id."""
    settings.home.mkdir(parents=True)
    return settings.home / "hidden"


@pytest.fixture
def service(settings: Settings, hidden: Path) -> Service:
    """A service with a daemonized descendant."""
    return script(settings, DAEMONIZES, str(hidden))


def script(settings: Settings, code: str, *arguments: str) -> Service:
    return Service(
        "worker",
        (sys.executable, "-c", code, *arguments),
        {**os.environ, **mark(settings.home)},
        settings.home / "worker.log",
    )


GIVES_UP = """
import pathlib, sys, time
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.05)
print("gave up")
sys.exit(4)
"""


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, "timed out"
        time.sleep(0.05)


def test_leaving_the_block_ends_all_processes(
    settings: Settings, service: Service, hidden: Path
) -> None:
    with platform(settings) as started:
        started.start(service)
        wait_for(lambda: hidden.exists() and hidden.read_text())
        assert len(marked(settings.home)) == 3
    assert marked(settings.home) == []
    assert state(settings.home) is None


def test_kill_9_of_the_command_ends_all_processes(
    settings: Settings, service: Service, hidden: Path
) -> None:
    command = (
        "import sys, time; from pathlib import Path; from penchant.settings import Settings;"
        "from penchant.platform.running import Platform;"
        "from penchant.platform.services import Service;"
        f"platform = Platform(Settings(_env_file=None, home=Path({str(settings.home)!r})));"
        f"platform.start(Service('worker', {service.command!r}, {mark(settings.home)!r},"
        f" Path({str(service.log)!r})));"
        "time.sleep(600)"
    )
    killed = subprocess.Popen([sys.executable, "-c", command])
    wait_for(lambda: hidden.exists() and hidden.read_text())
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    wait_for(lambda: not marked(settings.home))


def test_kill_9_of_the_supervisor_is_cleaned_up(
    settings: Settings, service: Service, hidden: Path
) -> None:
    started = Platform(settings)
    started.start(service)
    wait_for(lambda: hidden.exists() and hidden.read_text())
    found = state(settings.home)
    assert found is not None
    psutil.Process(found["pid"]).kill()
    with pytest.raises(PenchantError, match="the supervisor exited"):
        wait_for(started.require_alive)  # type: ignore[func-returns-value]
    started.end()
    assert marked(settings.home) == []


def test_platform_in_the_background_runs_until_ended(
    settings: Settings, service: Service, hidden: Path
) -> None:
    with platform(settings) as started:
        started.start(service)
        started.stay()
    wait_for(lambda: hidden.exists() and hidden.read_text())
    assert len(marked(settings.home)) == 3
    with pytest.raises(UsageError, match="is up already"):
        require_none(settings.home)
    assert end_staying(settings.home)
    assert marked(settings.home) == []
    assert not end_staying(settings.home)


def test_one_platform_per_home(settings: Settings) -> None:
    with platform(settings):
        wait_for(lambda: state(settings.home))
        with pytest.raises(UsageError, match="another `penchant demo`"):
            Platform(settings)


def test_stale_state_file_is_ignored(settings: Settings) -> None:
    path = settings.home / "platform" / "state.json"
    path.parent.mkdir(parents=True)
    # the process id has been reused, as after a reboot
    path.write_text(json.dumps({"pid": os.getpid(), "stays": True, "services": {}}))
    assert state(settings.home) is None
    require_none(settings.home)
    assert not end_staying(settings.home)


def test_exited_service_is_reported_with_its_last_log_lines(settings: Settings) -> None:
    with platform(settings) as started:
        started.start(script(settings, "print('no such table: dag'); raise SystemExit(3)"))
        with pytest.raises(PenchantError, match=r"(?s)worker exited with status 3.*no such table"):
            wait_for(started.require_alive)  # type: ignore[func-returns-value]
        found = state(settings.home)
        assert found and str(settings.home) not in str(found["services"]), "a home may be copied"


def test_waiting_for_a_slow_service_ends_only_with_the_service(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "NOTICE_SECONDS", 0.1)
    slow = Service(
        "slow",
        (sys.executable, "-c", GIVES_UP, str(settings.home / "noticed")),
        {**os.environ, **mark(settings.home)},
        settings.home / "slow.log",
        ready="http://127.0.0.1:9/",
    )
    notices: list[str] = []

    def notify(text: str) -> None:
        notices.append(text)
        (settings.home / "noticed").touch()

    with platform(settings) as started:
        started.start(slow)
        with pytest.raises(PenchantError, match=r"(?s)slow exited with status 4.*gave up"):
            started.wait_until_ready((slow,), notify)
    assert "slow has not responded for" in notices[0]


def test_processes_of_another_home_are_not_ended(settings: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other"
    bystander = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env={**os.environ, **mark(other)},
    )
    try:
        wait_for(lambda: marked(other))
        assert end_marked(settings.home) == 0
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_service_that_ended_is_started_again_and_told_of(settings: Settings) -> None:
    alerts = settings.home / "alerts" / "alerts.jsonl"
    with platform(settings) as started:
        started.start(script(settings, "import time; time.sleep(600)"))
        started.stay()
    first = wait_for_service(settings, restarts=0)
    psutil.Process(first).kill()
    assert wait_for_service(settings, restarts=1) != first
    wait_for(lambda: alerts.exists() and '"kind": "service-ended"' in alerts.read_text())
    assert end_staying(settings.home)


def wait_for_service(settings: Settings, restarts: int) -> int:
    """The process id of the service after so many restarts."""
    found: list[int] = []

    def running() -> bool:
        services = (state(settings.home) or {"services": {}})["services"]
        found[:] = [
            service["pid"]
            for service in services.values()
            if service["status"] is None and service["restarts"] == restarts
        ]
        return bool(found)

    wait_for(running)
    return found[0]


def test_pause_before_a_restart_doubles_until_the_service_is_stable() -> None:
    restarts = Restarts({}, 0.0)
    pauses = []
    for _ in range(8):
        restarts.ended(10.0)
        assert restarts.due_at is not None
        pauses.append(restarts.due_at - 10.0)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    restarts.started(20.0)
    assert not restarts.is_due(21.0)
    restarts.ended(20.0 + STABLE_SECONDS)
    assert restarts.count == 1
