"""The loop end to end: users of the world with known truth, served, learned from and evaluated.

Every stage is the real one: readers of a live release, the feedback log, landing, dbt, learning,
the gate, the experiment. Only the checks of the snapshots are left out, which have their own tests.
"""

import pytest

from benchmarks.policy.loop import gate_of, loop_settings, negated
from benchmarks.policy.simulated_shop import SimulatedShop, lost_by_policy
from penchant.artifacts import CheckResults
from penchant.bandits.assignment import live_policy, running_experiment
from penchant.bandits.experiments.gate import promote
from penchant.bandits.experiments.stage import evaluate_experiment
from penchant.serving.live_policy import read_policy
from penchant.settings import Settings
from training.commands.train import run_id_for, train


@pytest.mark.long
def test_policy_is_learned_from_the_log_and_served(checked_home: Settings) -> None:
    settings = loop_settings(checked_home, checked_home.home)
    shop = SimulatedShop(settings, str(settings.live_snapshot.current()), seed=0, visits=0.7)
    shop.publish()
    before = lost_by_policy(shop.serve(42))
    assert list(before) == ["ranker-0.7"]

    snapshot_id = shop.land()
    results = CheckResults(snapshot_id=snapshot_id, passed=True)
    results.write(settings.snapshots / snapshot_id / "checks.json")
    train(settings, snapshot_id, "bandit")
    report = promote(settings, snapshot_id, run_id_for(settings, snapshot_id, "bandit"))
    harmful = gate_of(settings, snapshot_id, negated(read_policy(settings, report.policy_id)))
    assert not harmful.promoted and harmful.high < harmful.current, harmful.reason

    experiment = running_experiment(settings)
    assert experiment is not None
    assert experiment.shares == {"ranker-0.7": 0.5, report.policy_id: 0.5}
    shop.publish()
    visits = shop.serve(18)
    tried = lost_by_policy(visits)
    assert set(tried) == set(experiment.shares)
    assert tried[report.policy_id][1] < 0.95 * tried["ranker-0.7"][1], "regret falls"
    assert tried[report.policy_id][1] < before["ranker-0.7"][1]

    verdict = evaluate_experiment(settings, shop.land())
    assert verdict.decision in ("keep", "continue"), verdict.reason
    assert sum(verdict.users.values()) > 60 and min(verdict.users.values()) > 20
    kept = report.policy_id if verdict.decision == "keep" else "ranker-0.7"
    assert live_policy(settings).policy_id == kept
