"""Promotion: only a significantly better policy passes, and a rejection has a reason."""

from datetime import datetime
from typing import Any

import pytest
from records import run_record
from safetensors.numpy import save_file

from penchant.artifacts import (
    ExperimentResult,
    PolicyDescription,
    PromotionDecision,
    RunRecord,
    SnapshotDescription,
)
from penchant.bandits.assignment import running_experiment
from penchant.bandits.context_features import FEATURE_NAMES
from penchant.bandits.experiments import store
from penchant.bandits.experiments.gate import GATE, TASK, decide, gates, promote
from penchant.bandits.learned import LearnedPolicy, PolicyConfig
from penchant.errors import DataError, NothingToDo, UsageError
from penchant.report.policies import policy_section
from penchant.serving.live_policy import read_policy
from penchant.settings import Settings

SNAPSHOT, RUN = "s-20240401-0123456789ab", "bandit-00000000000a"


def tasks(
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
        "actions": 1000,
        "choices": choices,
        "by_policy": {} if live is None else {"ranker": {"actions": 500, "mean": live}},
    }
    return {TASK: {"windows": {"test": window}}}


@pytest.fixture
def learned(settings: Settings) -> Settings:
    snapshot, run = settings.snapshots / SNAPSHOT, settings.runs / SNAPSHOT / RUN
    (snapshot / "marts").mkdir(parents=True)
    description = SnapshotDescription(id=SNAPSHOT, as_of=datetime(2024, 4, 1))
    description.write(snapshot / "snapshot.json")
    run.mkdir(parents=True)
    policy = LearnedPolicy.untrained(PolicyConfig())
    description = PolicyDescription(features=FEATURE_NAMES, settings=vars(policy.config))
    description.write(run / "policy.json")
    save_file(policy.state(), run / "model.safetensors")
    return settings


def write_record(settings: Settings, **figures: float) -> None:
    record = run_record(run_id=RUN, family="bandit", tasks=tasks(**figures))
    record.write(RunRecord.path(settings.runs / SNAPSHOT / RUN))


def test_promotes_significantly_better_policy(learned: Settings) -> None:
    write_record(learned)
    report = promote(learned, SNAPSHOT, RUN)
    experiment = running_experiment(learned)
    assert experiment is not None and experiment.id == report.experiment_id
    assert list(experiment.shares) == ["ranker", report.policy_id]
    assert [arm.exploration for arm in experiment.arms] == [0.0, None]
    assert experiment.shares[report.policy_id] == learned.experiment_share
    assert read_policy(learned, report.policy_id).config == PolicyConfig()
    assert promote(learned, SNAPSHOT, RUN).experiment_id == experiment.id


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"low": 0.1}, "not significantly better"),
        ({"live": 0.15}, "against 0.1500 earned by ranker: not significantly better"),
        ({"effective": 12.0}, "effective sample size 12"),
        ({"choices": 0.0}, "no support: all 1000 logged actions had propensity 1"),
    ],
)
def test_rejects_policy_with_a_reason(
    learned: Settings, figures: dict[str, float], reason: str
) -> None:
    write_record(learned, **figures)
    with pytest.raises(NothingToDo, match=reason):
        promote(learned, SNAPSHOT, RUN)
    assert running_experiment(learned) is None and learned.live_policy.current() is None
    (kept,) = gates(learned, SNAPSHOT)
    assert (kept.promoted, reason in kept.reason) == (False, True)
    assert PromotionDecision.read(learned.runs / SNAPSHOT / f"{RUN}.{GATE}") == kept


def test_rejects_run_without_estimate() -> None:
    with pytest.raises(DataError, match="no estimate on the test window"):
        decide(RUN, {TASK: {"windows": {}}}, "ranker")


def test_does_not_retry_rolled_back_policy(learned: Settings) -> None:
    write_record(learned)
    report = promote(learned, SNAPSHOT, RUN)
    experiment = running_experiment(learned)
    assert experiment is not None
    result = ExperimentResult(
        experiment_id=experiment.id,
        snapshot_id=SNAPSHOT,
        decision="rollback",
        reason="",
        users={},
        mismatch_p=1.0,
        reward=None,
        guardrails={},
    )
    store.write_result(learned, result)
    store.end(learned)
    with pytest.raises(NothingToDo, match=f"{report.policy_id} was tried against ranker before"):
        promote(learned, SNAPSHOT, RUN)


def test_rejects_policy_with_unknown_features(learned: Settings) -> None:
    write_record(learned)
    description = PolicyDescription(features=("constant",), settings={})
    description.write(learned.runs / SNAPSHOT / RUN / "policy.json")
    with pytest.raises(DataError, match=r"policy\.json: features are"):
        promote(learned, SNAPSHOT, RUN)
    assert running_experiment(learned) is None


def test_rejects_unknown_run(learned: Settings) -> None:
    with pytest.raises(UsageError, match="train --family bandit"):
        promote(learned, SNAPSHOT, "bandit-fffffffffff0")


def test_report_shows_promotion_decisions(learned: Settings) -> None:
    write_record(learned, low=0.1)
    with pytest.raises(NothingToDo):
        promote(learned, SNAPSHOT, RUN)
    section = policy_section(gates(learned, SNAPSHOT), store.results(learned))
    assert "not promoted" in section and "not significantly better" in section
    assert policy_section([], []) == ""
