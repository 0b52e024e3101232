"""Status in every half-done state."""

import json
import os
import subprocess
import sys
from typing import Any

from rich.console import Console

from penchant.artifacts import CheckResults, CheckStatistics, ModelSelection
from penchant.publishing.publish import publish
from penchant.serving.status import render, status
from penchant.settings import Settings

ONE, TWO = "s-20180102-000000000001", "s-20180102-000000000002"
CHECKS = CheckResults(
    snapshot_id=ONE,
    passed=True,
    statistics=CheckStatistics(expectations=9, failed_critical=0, failed_warning=1),
)


def shown(state: dict[str, Any]) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(render(state))
    return capture.get()


def test_nothing_done_yet_says_what_to_run(settings: Settings) -> None:
    state = status(settings)
    assert state["live_release"] is None
    assert state["live_snapshot"] is None
    subcommands = ("check", "materialize", "publish", "train")
    assert all(f"penchant {subcommand}" in shown(state) for subcommand in subcommands)


def test_all_done_says_what_is_live(shop: Any) -> None:
    CHECKS.write(shop.settings.snapshots / ONE / "checks.json")
    shop.settings.live_snapshot.flip(ONE)
    shop.settings.live_features.flip(ONE)
    live = publish(shop.settings, ONE)

    state = status(shop.settings)

    assert state["missing"] == []
    assert state["live_release"]["id"] == live.release_id
    assert state["live_release"]["counts"]["item_vectors"] == 120
    assert state["live_snapshot"]["rows"] == {
        "events": 330,
        "items": 120,
        "sequences": 30,
        "user_portrait": 30,
        "users": 30,
    }
    assert state["live_snapshot"]["checks"]["passed"]
    roles = {run["family"]: run["roles"] for run in state["families"]}
    assert roles == {"popularity": ["prior"], "matrix_factorization": ["retriever", "ranker"]}
    assert all(run["seconds"] and run["peak_memory_bytes"] for run in state["families"])
    assert json.loads(json.dumps(state)) == state
    for expected in (live.release_id, "9 expectations", "0.150-0.250", "goes live"):
        assert expected in shown(state)


def test_half_done_states_say_what_is_missing(shop: Any) -> None:
    shop.settings.live_snapshot.flip(TWO)
    ModelSelection.path(shop.settings, TWO).unlink()
    state = status(shop.settings)
    assert [run["roles"] for run in state["families"]] == [[], []]
    assert "penchant select-models" in shown(state)
    assert "not checked" in shown(state)

    publish(shop.settings, ONE)
    assert f"{TWO} passed its checks but is not served yet" in shown(status(shop.settings))


def test_a_live_release_that_vanished_is_reported(shop: Any) -> None:
    shop.settings.live_release.flip("r-000000000000")
    assert "r-000000000000 is live but not on disk" in shown(status(shop.settings))


def test_status_pays_for_no_feast() -> None:
    code = "import sys, penchant.serving.status; sys.exit('feast' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_service_that_ended_is_reported(settings: Settings) -> None:
    """The process of the supervisor is this one: it is none, so all services have ended."""
    path = settings.home / "platform" / "state.json"
    path.parent.mkdir(parents=True)
    service = {"pid": 1, "log": "logs/scheduler.log", "status": None, "restarts": 2}
    path.write_text(json.dumps({"pid": os.getpid(), "services": {"scheduler": service}}))
    told = shown(status(settings))
    assert "scheduler of the platform ended with the supervisor" in told
    assert str(settings.home / "logs" / "scheduler.log") in told, "of this home, also if copied"
