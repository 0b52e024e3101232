"""`penchant serve --workers`: several processes answer on one port and end together."""

import pickle
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
from fastapi import FastAPI

from penchant.api.app import worker_app
from penchant.api.auth import rates
from penchant.api.auth.access import RateLimiter
from penchant.api.auth.rates import SharedRates
from penchant.api.server.run import configuration
from penchant.settings import Settings

DEADLINE = 120  # seconds


def test_each_worker_makes_its_application(settings: Settings, tmp_path: Path) -> None:
    SharedRates.create(tmp_path / "rates")
    make = pickle.loads(pickle.dumps(partial(worker_app, tmp_path / "rates")))
    config = configuration(make, settings, workers=3)
    config.load()
    assert (config.workers, type(make())) == (3, FastAPI)


def test_workers_share_the_rates_of_clients(tmp_path: Path) -> None:
    SharedRates.create(tmp_path / "rates")
    now = 0.0
    first, second = (
        RateLimiter(1, 4, lambda: now, SharedRates(tmp_path / "rates")) for _ in range(2)
    )
    assert [each.seconds_to_wait("a") for each in (first, second) * 3] == [0, 0, 0, 0, 1, 1]
    assert (first.seconds_to_wait("b"), second.peek("b")) == (0, 0)
    first.charge("a", 1.0)
    assert second.peek("a") == 2
    now = 3.0
    assert (second.seconds_to_wait("a"), first.seconds_to_wait("a"), second.peek("a")) == (0, 0, 1)


def test_the_client_seen_longest_ago_loses_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "SLOTS", 2)
    monkeypatch.setattr(rates, "PROBED", 2)
    SharedRates.create(tmp_path / "rates")
    shared = SharedRates(tmp_path / "rates")
    for at, client in enumerate(("a", "b", "a", "c")):
        shared.put(client, (float(at), float(at)))
    assert [shared.get(client) for client in "abc"] == [(2.0, 2.0), None, (3.0, 3.0)]


@pytest.mark.long
def test_workers_answer_on_one_port_and_end_with_the_server(settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = subprocess.Popen(
        [Path(sys.executable).with_name("penchant"), "serve", "--workers", "2"],
        env={"PENCHANT_HOME": str(settings.home), "PENCHANT_API_PORT": str(port)},
    )
    try:
        deadline = time.monotonic() + DEADLINE
        while not _answers(port):
            assert served.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)
        workers = psutil.Process(served.pid).children()
        assert len([each for each in workers if "spawn_main" in " ".join(each.cmdline())]) == 2
    finally:
        served.send_signal(signal.SIGTERM)
        served.wait(DEADLINE)
    _, left = psutil.wait_procs(workers, 5)  # multiprocessing's tracker ends last
    # one that ended stays a zombie where process 1 reaps none
    assert all(each.status() == psutil.STATUS_ZOMBIE for each in left)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez").is_success
    except httpx.TransportError:
        return False
