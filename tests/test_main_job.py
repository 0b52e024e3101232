"""The main job with Airflow's scheduler, on a small simulated source."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE

from training.names import MAIN_JOB

PENCHANT = Path(sys.executable).with_name("penchant")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


UNFRIENDLY = {
    "AIRFLOW_HOME": "/nowhere",
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "ALL_PROXY": "socks5://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "LC_ALL": "C",
    "NO_PROXY": "",
    "PYTHONCOERCECLOCALE": "0",
    "TZ": "Asia/Kathmandu",
}
"""What a user's shell may have set for something else."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        **UNFRIENDLY,
        "PENCHANT_HOME": str(tmp_path / "home of Zoë"),
        "PENCHANT_SOURCE": "simulator",
        "PENCHANT_SEED": "7",
        "PENCHANT_THREADS": "1",
        "PENCHANT_AIRFLOW_PORT": str(free_port()),
        "PENCHANT_API_PORT": str(free_port()),
    }


def penchant(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [PENCHANT, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=10 * PATIENCE,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def answer(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    return json.loads(penchant(environment, *arguments, "--json").splitlines()[-1])


@pytest.mark.long
def test_demo_runs_from_files_to_recommendations(environment: dict[str, str]) -> None:
    output = penchant(environment, "demo")
    state = answer(environment, "status")
    assert state["live_snapshot"]["id"] == state["live_release"]["snapshot_id"]
    assert state["live_release"]["id"] in output
    assert {family["family"] for family in state["families"]} == set(MAIN_JOB)
    known = answer(environment, "recommend", "--user", "u00001", "--k", "5")
    assert len(known["items"]) == 5
    assert known["release_id"] == state["live_release"]["id"]
    unknown = answer(environment, "recommend", "--user", "nobody", "--k", "5")
    assert unknown["origin"] == "popularity prior"
    assert "A first release is live" in output
    assert "Nothing has changed since the last run" in penchant(environment, "demo")
