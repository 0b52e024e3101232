"""The DAG ``refresh_insights`` in Airflow, to its end, on a small simulated shop."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE

from benchmarks.servers import free_port
from penchant.artifacts.demand import DemandRecord
from penchant.artifacts.retention import RetentionRecord
from penchant.artifacts.search import SearchRecord
from penchant.platform.rest import Airflow, Run
from penchant.platform.running import platform
from penchant.platform.startup import start_airflow
from penchant.settings import Settings

DAG, RUN = "refresh_insights", "to-its-end"
PENCHANT = Path(sys.executable).with_name("penchant")


@pytest.fixture
def local(checked_home: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A live snapshot of 120 days, for this process and those that it starts."""
    found = checked_home.model_copy(update={"airflow_port": free_port()})
    for name in ("home", "source", "seed", "threads", "pseudonyms", "airflow_port"):
        monkeypatch.setenv(f"PENCHANT_{name.upper()}", str(getattr(found, name)))
    return found


@pytest.fixture
def airflow(local: Settings) -> Iterator[Airflow]:
    with platform(local) as running, start_airflow(local, running, print) as started:
        yield started


@pytest.mark.long
def test_insights_are_refreshed_to_the_end(airflow: Airflow, local: Settings) -> None:
    snapshot_id = local.live_snapshot.current()
    conf = json.dumps({"snapshot_id": snapshot_id})
    subprocess.run(
        [PENCHANT, "airflow", "dags", "trigger", DAG, "--run-id", RUN, "--conf", conf],
        env=dict(os.environ),
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    run = Run(DAG, RUN, "queued")
    give_up_at = time.monotonic() + 4 * PATIENCE
    while not (run := airflow.run(run)).ended:
        assert time.monotonic() < give_up_at
        time.sleep(1)
    states = {task.task_id: task.state for task in airflow.tasks(run)}
    assert run.state == "success", states
    done = [task for task, state in states.items() if state == "success"]
    assert {"latest", "forecast_demand", "predict_retention", "land_predictions"} <= set(done)
    assert set(states.values()) <= {"success", "skipped"}
    for record in (DemandRecord, RetentionRecord, SearchRecord):
        assert record.live(local).current() == snapshot_id
