"""`penchant serve --workers`: several processes answer on one port and end together."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest
from uvicorn.importer import import_from_string

from penchant.api.server.run import configuration
from penchant.settings import Settings

FACTORY = "penchant.api.app:worker_app"
DEADLINE = 120  # seconds


def test_each_worker_makes_its_application_by_name(settings: Settings) -> None:
    config = configuration(FACTORY, settings, workers=3)
    assert (config.workers, config.factory) == (3, True)
    assert import_from_string(FACTORY).__name__ == "worker_app"


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
