"""The `evaluate-experiment` stage acts on a decision once."""

import json
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penchant.artifacts import SnapshotDescription
from penchant.bandits.assignment import PolicyAssignment, arm_of
from penchant.bandits.assignment import running_experiment as current
from penchant.bandits.experiments import store
from penchant.bandits.experiments.stage import evaluate_experiment
from penchant.errors import DataError, NothingToDo, UsageError
from penchant.settings import Settings

SNAPSHOT = "s-20240401-0123456789ab"
BEGAN = datetime(2024, 3, 1)
OLD, NEW = "p-old", "p-new"


def write_snapshot(
    settings: Settings, reward: dict[str, float], users: int = 1500, lacking: str = ""
) -> None:
    """Each user is shown one item; one in five buys it, for the reward of the user's arm.
    ``lacking``: an arm without users."""
    experiment = current(settings)
    assert experiment is not None
    rows = []
    for number in range(users):
        user = f"u{number:05d}"
        arm = arm_of(experiment.id, user, experiment.shares)
        if arm == lacking:
            continue
        buys = number % 5 == 0
        at = BEGAN + timedelta(minutes=number)
        context = json.dumps({"experiment": experiment.id, "exploration": 0.1})
        earned = reward[arm] if buys else 0.0
        rows.append((user, f"i{number % 7}", arm, context, at, buys, earned))
        # control also serves everybody outside of the experiment
        rows.append((user, f"i{number % 7}", OLD, '{"experiment":null}', at, True, 100.0))
    marts = settings.snapshots / SNAPSHOT / "marts"
    marts.mkdir(parents=True, exist_ok=True)
    description = SnapshotDescription(id=SNAPSHOT, as_of=datetime(2024, 4, 1))
    description.write(marts.parent / "snapshot.json")
    names = ("user_id", "item_id", "policy", "context", "shown_at", "clicked", "reward")
    types = (*[pa.string()] * 4, pa.timestamp("us"), pa.bool_(), pa.float64())
    log = pa.Table.from_pylist(
        [dict(zip(names, row, strict=True)) for row in rows],
        pa.schema(list(zip(names, types, strict=True))),
    )
    pq.write_table(log, marts / "policy_log.parquet")
    bought = log.filter(log["clicked"])
    events = {
        "user_id": bought["user_id"],
        "event_type": pa.array(["purchase"] * len(bought), pa.string()),
        "value": bought["reward"],
        "event_at": bought["shown_at"],
    }
    pq.write_table(pa.table(events), marts / "events.parquet")


@pytest.fixture
def running(settings: Settings) -> Settings:
    settings.policies.mkdir(parents=True)
    settings.live_policy.flip(OLD)
    store.start(settings, PolicyAssignment(OLD, None), NEW, 0.5, BEGAN)
    return settings


@pytest.mark.parametrize(
    ("reward", "decision", "live"), [(3.0, "keep", NEW), (0.2, "rollback", OLD)]
)
def test_decision_changes_live_policy(
    running: Settings, reward: float, decision: str, live: str
) -> None:
    write_snapshot(running, {OLD: 1.0, NEW: reward})
    report = evaluate_experiment(running, SNAPSHOT)
    assert (report.decision, report.live_policy) == (decision, live)
    assert running.live_policy.current() == live
    assert current(running) is None
    (result,) = store.results(running)
    assert result.decision == decision
    with pytest.raises(NothingToDo, match="no experiment runs"):
        evaluate_experiment(running, SNAPSHOT)


def test_undecided_experiment_continues(running: Settings) -> None:
    write_snapshot(running, {OLD: 1.0, NEW: 1.0})
    assert evaluate_experiment(running, SNAPSHOT).decision == "continue"
    assert current(running) is not None and running.live_policy.current() == OLD


def test_rejects_second_experiment(running: Settings) -> None:
    assert (
        store.start(
            running, PolicyAssignment(OLD, None), NEW, 0.5, BEGAN + timedelta(days=1)
        ).began_at
        == BEGAN
    )
    with pytest.raises(UsageError, match="still runs"):
        store.start(running, PolicyAssignment(OLD, None), "p-other", 0.5, BEGAN)


def test_nothing_to_do_without_settled_impressions(running: Settings) -> None:
    write_snapshot(running, {OLD: 1.0, NEW: 1.0}, users=0)
    with pytest.raises(NothingToDo, match="no settled impression"):
        evaluate_experiment(running, SNAPSHOT)


def test_rejects_arm_without_users(
    running: Settings,
) -> None:
    write_snapshot(running, {OLD: 1.0, NEW: 1.0}, lacking=NEW)
    with pytest.raises(DataError, match=f"arm {NEW} of x-{OLD}-{NEW} has no user"):
        evaluate_experiment(running, SNAPSHOT)
    assert current(running) is not None and running.live_policy.current() == OLD
