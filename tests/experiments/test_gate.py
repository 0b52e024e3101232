"""The gate: only what is better for sure passes, a refusal says why, and nothing is lost."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penchant.errors import DataError, NothingToDo, UsageError
from penchant.experiments import store
from penchant.experiments.gate import GATE, decide, gates, promote
from penchant.report.policies import policy_section
from penchant.settings import Settings
from penchant.storage import write_json

SNAPSHOT, RUN = "s-20240401-0123456789ab", "bandit-00000000000a"


def record(low: float = 0.12, current: float = 0.1, effective: float = 500.0) -> dict[str, Any]:
    estimate = {"value": low + 0.01, "low": low, "high": low + 0.02}
    window = {
        "estimates": {"DR": estimate},
        "logged": {"mean": current},
        "effective_size": effective,
    }
    return {"run_id": RUN, "tasks": {"acting": {"windows": {"test": window}}}}


@pytest.fixture
def learned(settings: Settings) -> Settings:
    snapshot, run = settings.snapshots / SNAPSHOT, settings.runs / SNAPSHOT / RUN
    (snapshot / "marts").mkdir(parents=True)
    write_json(snapshot / "snapshot.json", {"id": SNAPSHOT, "as_of": "2024-04-01T00:00:00"})
    log = pa.table({"policy": ["popular", "popular", "other"]})
    pq.write_table(log, snapshot / "marts" / "policy_log.parquet")
    run.mkdir(parents=True)
    (run / "policy.json").write_text("{}")
    (run / "model.safetensors").write_bytes(b"arrays")
    return settings


def write_record(settings: Settings, **figures: float) -> None:
    write_json(settings.runs / SNAPSHOT / RUN / "run.json", record(**figures))


def test_what_is_better_for_sure_is_tried(learned: Settings) -> None:
    write_record(learned)
    report = promote(learned, SNAPSHOT, RUN)
    experiment = store.current(learned)
    assert experiment is not None and experiment.id == report.experiment_id
    assert (experiment.control, experiment.treatment) == ("popular", report.policy_id)
    assert experiment.shares[report.policy_id] == learned.experiment_share
    assert (learned.policies / report.policy_id / "model.safetensors").read_bytes() == b"arrays"
    assert promote(learned, SNAPSHOT, RUN).experiment_id == experiment.id


@pytest.mark.parametrize(
    ("figures", "reason"),
    [({"low": 0.1}, "not better for sure"), ({"effective": 12.0}, "worth 12 picks")],
)
def test_a_refusal_says_why_and_leaves_what_serves(
    learned: Settings, figures: dict[str, float], reason: str
) -> None:
    write_record(learned, **figures)
    with pytest.raises(NothingToDo, match=reason):
        promote(learned, SNAPSHOT, RUN)
    assert store.current(learned) is None and learned.live_policy.current() is None
    (kept,) = gates(learned, SNAPSHOT)
    assert (kept["promoted"], reason in kept["reason"]) == (False, True)
    assert json.loads((learned.runs / SNAPSHOT / f"{RUN}.{GATE}").read_text()) == kept


def test_a_policy_that_was_not_judged_is_refused() -> None:
    with pytest.raises(DataError, match="no estimate on the test window"):
        decide({"run_id": RUN, "tasks": {"acting": {"windows": {}}}})


def test_a_run_that_is_not_there(learned: Settings) -> None:
    with pytest.raises(UsageError, match="train --family bandit"):
        promote(learned, SNAPSHOT, "bandit-fffffffffff0")


def test_the_report_says_what_the_gate_said(learned: Settings) -> None:
    write_record(learned, low=0.1)
    with pytest.raises(NothingToDo):
        promote(learned, SNAPSHOT, RUN)
    section = policy_section(gates(learned, SNAPSHOT), store.verdicts(learned))
    assert "refused" in section and "not better for sure" in section
    assert policy_section([], []) == ""
