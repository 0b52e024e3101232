"""The gate: only what is better for sure passes, a refusal says why, and nothing is lost."""

import json
from typing import Any

import pytest
from safetensors.numpy import save_file

from penchant.bandits.assignment import running
from penchant.bandits.context_features import NAMES
from penchant.bandits.experiments import store
from penchant.bandits.experiments.gate import GATE, decide, gates, promote
from penchant.bandits.learned import Choosing, LearnedPolicy
from penchant.errors import DataError, NothingToDo, UsageError
from penchant.report.policies import policy_section
from penchant.serving.live_policy import read_policy
from penchant.settings import Settings
from penchant.storage import write_json

SNAPSHOT, RUN = "s-20240401-0123456789ab", "bandit-00000000000a"


def record(
    low: float = 0.12,
    current: float = 0.1,
    effective: float = 500.0,
    choices: float = 1.0,
    live: float | None = None,
) -> dict[str, Any]:
    estimate = {"value": low + 0.01, "low": low, "high": low + 0.02}
    window = {
        "estimates": {"DR": estimate},
        "logged": {"mean": current},
        "effective_size": effective,
        "picks": 1000,
        "choices": choices,
        "by_policy": {} if live is None else {"ranker": {"picks": 500, "mean": live}},
    }
    return {"run_id": RUN, "tasks": {"acting": {"windows": {"test": window}}}}


@pytest.fixture
def learned(settings: Settings) -> Settings:
    snapshot, run = settings.snapshots / SNAPSHOT, settings.runs / SNAPSHOT / RUN
    (snapshot / "marts").mkdir(parents=True)
    write_json(snapshot / "snapshot.json", {"id": SNAPSHOT, "as_of": "2024-04-01T00:00:00"})
    run.mkdir(parents=True)
    policy = LearnedPolicy.before(Choosing())
    write_json(run / "policy.json", {**vars(policy.choosing), "features": NAMES})
    save_file(policy.state(), run / "model.safetensors")
    return settings


def write_record(settings: Settings, **figures: float) -> None:
    write_json(settings.runs / SNAPSHOT / RUN / "run.json", record(**figures))


def test_what_is_better_for_sure_is_tried(learned: Settings) -> None:
    write_record(learned)
    report = promote(learned, SNAPSHOT, RUN)
    experiment = running(learned)
    assert experiment is not None and experiment.id == report.experiment_id
    assert (experiment.control, experiment.treatment) == ("ranker", report.policy_id)
    assert experiment.shares[report.policy_id] == learned.experiment_share
    assert read_policy(learned, report.policy_id).choosing == Choosing()
    assert promote(learned, SNAPSHOT, RUN).experiment_id == experiment.id


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"low": 0.1}, "not better for sure"),
        ({"live": 0.15}, "against 0.1500 earned by ranker: not better for sure"),
        ({"effective": 12.0}, "worth 12 picks"),
        ({"choices": 0.0}, "no support: all 1000 picks of the log were sure to be shown"),
    ],
)
def test_a_refusal_says_why_and_leaves_what_serves(
    learned: Settings, figures: dict[str, float], reason: str
) -> None:
    write_record(learned, **figures)
    with pytest.raises(NothingToDo, match=reason):
        promote(learned, SNAPSHOT, RUN)
    assert running(learned) is None and learned.live_policy.current() is None
    (kept,) = gates(learned, SNAPSHOT)
    assert (kept["promoted"], reason in kept["reason"]) == (False, True)
    assert json.loads((learned.runs / SNAPSHOT / f"{RUN}.{GATE}").read_text()) == kept


def test_a_policy_that_was_not_judged_is_refused() -> None:
    with pytest.raises(DataError, match="no estimate on the test window"):
        decide({"run_id": RUN, "tasks": {"acting": {"windows": {}}}}, "ranker")


def test_what_was_rolled_back_is_not_tried_again(learned: Settings) -> None:
    write_record(learned)
    report = promote(learned, SNAPSHOT, RUN)
    experiment = running(learned)
    assert experiment is not None
    write_json(experiment.folder(learned) / "verdict.json", {"decision": "rollback"})
    store.end(learned)
    with pytest.raises(NothingToDo, match=f"{report.policy_id} was tried against ranker already"):
        promote(learned, SNAPSHOT, RUN)


def test_a_policy_that_serving_could_not_ask_is_not_promoted(learned: Settings) -> None:
    write_record(learned)
    write_json(learned.runs / SNAPSHOT / RUN / "policy.json", {"features": ["constant"]})
    with pytest.raises(DataError, match="learned on the features"):
        promote(learned, SNAPSHOT, RUN)
    assert running(learned) is None


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
