"""The loop from a slate to a decision, with simulated users and every stage of the platform."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from benchmarks.policy.simulated_shop import SimulatedShop, Visit, lost_by_policy
from benchmarks.rows import grid
from penchant.artifacts import PolicyDescription, PromotionDecision, Snapshot
from penchant.bandits.assignment import live_policy
from penchant.bandits.experiments import gate, store
from penchant.bandits.experiments.stage import ExperimentReport, evaluate_experiment
from penchant.bandits.learned import LearnedPolicy
from penchant.building.build import build
from penchant.ingestion.ingest import ingest
from penchant.quality.check import check
from penchant.serving.live_policy import read_policy
from penchant.settings import Settings
from training.commands.train import run_id_for, train
from training.data.histories import read_dataset
from training.data.policy_log import read_policy_log
from training.data.split import split_by_time
from training.evaluation.off_policy_evaluation import evaluated
from training.layers.action_features import context_counts

TITLE = "The loop end to end: learning, promotion and rollback"
USERS, ITEMS, VISITS = 480, 60, 0.7
FIRST_DAYS, TRIAL_DAYS = 49, 28
MOST_LOOKS = 3
EXPLORATION, SHARE = 0.7, 0.5
CAPTION = f"""{USERS} users of the simulated world, {ITEMS} items. The live release serves them;
their clicks are logged, landed, built, checked, learned from and evaluated by the platform's
own stages; only the clock is simulated. For {FIRST_DAYS} days {EXPLORATION:.0%} of the actions
are random among twelve candidates; then the learned policy passes the gate and is tried on half
of the users for {TRIAL_DAYS} days at a time. *Lost* is the difference in clicks a visit to the
best slate of the whole shop, which only the simulation knows. The harmful policy is the learned
one with all its weights negated, put into an experiment without the gate. Seed {{seed}}. With a
quarter of these visits (240 users, 0.35 visits a day each) the gate rejected the learned
policy: its value, 0.107 [0.064, 0.158], was not significantly above the current 0.078."""


def measure(settings: Settings) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="penchant-loop-") as folder:
        return run(loop_settings(settings, Path(folder) / "home"), settings.seed)


def loop_settings(settings: Settings, home: Path) -> Settings:
    changed: dict[str, object] = {"home": home, "source": "simulator", "exploration": EXPLORATION}
    changed["pseudonyms"] = False  # the simulated users are known by id
    return settings.model_copy(update={**changed, "experiment_share": SHARE})


def run(settings: Settings, seed: int) -> dict[str, Any]:
    ingest(settings, source="simulator", users=USERS, items=ITEMS, days=60)
    shop = SimulatedShop(settings, build(settings).snapshot_id, seed, visits=VISITS)
    checked(shop)
    shop.publish()
    before = shop.serve(FIRST_DAYS)
    snapshot_id = shop.land()
    checked(shop)
    train(settings, snapshot_id, "bandit")
    promoted = gate.promote(settings, snapshot_id, run_id_for(settings, snapshot_id, "bandit"))
    harmful = negated(read_policy(settings, promoted.policy_id))
    rejected = gate_of(settings, snapshot_id, harmful)
    shop.publish()
    tried, kept = until_decided(shop)
    checked(shop)
    shop.publish()
    start_without_gate(settings, harmful, promoted.policy_id, shop.snapshot_id)
    harmed, rolled_back = until_decided(shop)
    checked(shop)
    shop.publish()
    after = shop.serve(7)
    return {
        "seed": seed,
        "gate": promoted.gate.reason,
        "gate_of_harmful": rejected.reason,
        "harmful_promoted": rejected.promoted,
        "verdict": _decision(kept),
        "verdict_on_harmful": _decision(rolled_back),
        "live_in_the_end": live_policy(settings).policy_id,
        "lost": {
            name: lost_by_policy(visits)
            for name, visits in (
                ("while exploring", before),
                ("during its experiment", tried),
                ("during the harmful experiment", harmed),
                ("after", after),
            )
        },
    }


def checked(shop: SimulatedShop) -> None:
    """Check the snapshot as if it were the first: the simulated world mails no ads, so the mart of
    responses to them shrinks."""
    shop.settings.live_snapshot.path.unlink(missing_ok=True)
    check(shop.settings, shop.snapshot_id)


def until_decided(shop: SimulatedShop) -> tuple[list[Visit], ExperimentReport]:
    """Serve and evaluate the running experiment until it is decided."""
    visits = []
    for _ in range(MOST_LOOKS):
        visits += shop.serve(TRIAL_DAYS)
        report = evaluate_experiment(shop.settings, shop.land())
        if report.decision != "continue":
            break
    return visits, report


def negated(policy: LearnedPolicy) -> LearnedPolicy:
    """The policy with all its weights negated."""
    state = policy.state()
    state["mean_AD"] = -state["mean_AD"]
    return LearnedPolicy.from_state(replace(policy.config, policy="epsilon greedy"), state)


def gate_of(settings: Settings, snapshot_id: str, policy: LearnedPolicy) -> PromotionDecision:
    """The decision on a policy, on the test window of a snapshot's log."""
    snapshot = Snapshot.open(settings, snapshot_id)
    dataset = read_dataset(snapshot)
    log = read_policy_log(snapshot, dataset)
    counts = context_counts(dataset.histories, dataset.items, log)
    window = split_by_time(dataset.histories).test
    shown = log.between(window.histories.end, window.targets.end)
    found = evaluated(policy, counts, shown, log, settings.seed)
    tasks = {gate.TASK: {"windows": {"test": found}}}
    return gate.decide("harmful", tasks, live_policy(settings).policy_id)


def start_without_gate(
    settings: Settings, policy: LearnedPolicy, template: str, snapshot_id: str
) -> None:
    """Start an experiment with a policy that did not pass the gate; end the running one."""
    folder, live = settings.policies / "p-harmful", live_policy(settings)
    folder.mkdir(parents=True)
    store.end(settings)
    kept = PolicyDescription.read(settings.policies / template / "policy.json")
    changed = kept.model_copy(update={"settings": vars(policy.config)})
    changed.write(folder / "policy.json")
    save_file(policy.state(), folder / "model.safetensors")
    as_of = Snapshot.open(settings, snapshot_id).as_of
    store.start(settings, live, "p-harmful", SHARE, as_of)


def _decision(report: ExperimentReport) -> dict[str, Any]:
    return {"decision": report.decision, "reason": report.reason, "users": report.users}


def page(figures: dict[str, Any]) -> str:
    experiments = [
        "{decision}: {reason}".format(**figures[name]) for name in ("verdict", "verdict_on_harmful")
    ]
    rows = [
        [when, f"`{name}`", f"{visits:,}", f"{lost:.3f}"]
        for when, by_policy in figures["lost"].items()
        for name, (visits, lost) in by_policy.items()
    ]
    return "\n".join(
        [
            CAPTION.format(seed=figures["seed"]),
            "",
            f"- The gate on the learned policy: {figures['gate']}.",
            f"- The gate on the harmful policy: {figures['gate_of_harmful']}.",
            f"- The experiment: {experiments[0]}.",
            f"- The experiment with the harmful policy: {experiments[1]}.",
            f"- Live at the end: `{figures['live_in_the_end']}`.",
            "",
            grid(["when", "policy", "visits", "clicks lost a visit"], rows),
        ]
    )
