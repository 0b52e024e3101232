"""The stage around an experiment: what it decides is acted on, once."""

import json
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penchant.bandits.assignment import arm_of
from penchant.bandits.assignment import running as current
from penchant.bandits.experiments import store
from penchant.bandits.experiments.stage import evaluate_experiment
from penchant.errors import DataError, NothingToDo, UsageError
from penchant.settings import Settings
from penchant.storage import write_json

SNAPSHOT = "s-20240401-0123456789ab"
BEGAN = datetime(2024, 3, 1)
OLD, NEW = "p-old", "p-new"


def write_snapshot(
    settings: Settings, reward: dict[str, float], users: int = 1500, lacking: str = ""
) -> None:
    """Everybody is shown one item; one in five buys it, for the reward of the user's arm.
    ``lacking``: an arm that is not served at all."""
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
        # before it began, and to whoever is not in it, control was served to all
        rows.append((user, f"i{number % 7}", OLD, '{"experiment":null}', at, True, 100.0))
    marts = settings.snapshots / SNAPSHOT / "marts"
    marts.mkdir(parents=True, exist_ok=True)
    write_json(marts.parent / "snapshot.json", {"id": SNAPSHOT, "as_of": "2024-04-01T00:00:00"})
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
    store.start(settings, OLD, NEW, 0.5, BEGAN)
    return settings


@pytest.mark.parametrize(
    ("reward", "decision", "live"), [(3.0, "keep", NEW), (0.2, "rollback", OLD)]
)
def test_a_decision_is_acted_on(running: Settings, reward: float, decision: str, live: str) -> None:
    write_snapshot(running, {OLD: 1.0, NEW: reward})
    report = evaluate_experiment(running, SNAPSHOT)
    assert (report.decision, report.live_policy) == (decision, live)
    assert running.live_policy.current() == live
    assert current(running) is None
    (verdict,) = store.verdicts(running)
    assert verdict["decision"] == decision and json.dumps(verdict)
    with pytest.raises(NothingToDo, match="no experiment runs"):
        evaluate_experiment(running, SNAPSHOT)


def test_an_open_one_goes_on(running: Settings) -> None:
    write_snapshot(running, {OLD: 1.0, NEW: 1.0})
    assert evaluate_experiment(running, SNAPSHOT).decision == "go on"
    assert current(running) is not None and running.live_policy.current() == OLD


def test_only_one_runs_at_a_time(running: Settings) -> None:
    assert store.start(running, OLD, NEW, 0.5, BEGAN + timedelta(days=1)).began_at == BEGAN
    with pytest.raises(UsageError, match="still runs"):
        store.start(running, OLD, "p-other", 0.5, BEGAN)


def test_before_anything_is_answered_there_is_nothing_to_do(running: Settings) -> None:
    write_snapshot(running, {OLD: 1.0, NEW: 1.0}, users=0)
    with pytest.raises(NothingToDo, match="no settled impression"):
        evaluate_experiment(running, SNAPSHOT)


def test_an_arm_that_is_not_served_at_all_is_refused_and_nothing_is_decided(
    running: Settings,
) -> None:
    write_snapshot(running, {OLD: 1.0, NEW: 1.0}, lacking=NEW)
    with pytest.raises(DataError, match=f"arm {NEW} of x-{OLD}-{NEW} has no user"):
        evaluate_experiment(running, SNAPSHOT)
    assert current(running) is not None and running.live_policy.current() == OLD
