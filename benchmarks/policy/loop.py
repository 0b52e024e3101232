"""The whole loop, from a slate to a verdict, with simulated users and every stage for real."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from benchmarks.policy.simulated_shop import SimulatedShop, Visit, lost_by_policy
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

TITLE = "The loop end to end: what it learns, promotes and refuses"
USERS, ITEMS, VISITS = 480, 60, 0.7
FIRST_DAYS, TRIED_DAYS = 49, 28
MOST_LOOKS = 3
EXPLORATION, SHARE = 0.7, 0.5
CAPTION = """
{users} users of the world with known ground truth, {items} items. They are served from a live
release; what they click goes into the feedback log, lands, is built, checked, learned
from and evaluated, by the stages of the platform; only the clock is simulated. For {first} days
{exploration:.0%} of the actions are random among twelve candidates; then what was learned goes
through the gate and is tried on half of the users for {tried} days at a time. *Lost* is the
clicks a visit that the best slate of the whole shop would have got more, which a simulation knows
and no stage is told. The harmful policy is the learned one with all its weights turned round;
past the gate, it is put into an experiment by hand. Seed {seed}. With a fourth of these visits (240
users, 0.35 visits a day each) the gate refused what was learned: its value, 0.107
[0.064, 0.158], was not above the 0.078 of what served, significantly.
"""


def measure(settings: Settings) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="penchant-loop-") as folder:
        return run(loop_settings(settings, Path(folder) / "home"), settings.seed)


def loop_settings(settings: Settings, home: Path) -> Settings:
    changed = {"home": home, "source": "simulator", "exploration": EXPLORATION}
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
    harmful = turned_round(read_policy(settings, promoted.policy_id))
    refused = gate_of(settings, snapshot_id, harmful)
    shop.publish()
    tried, kept = until_decided(shop)
    checked(shop)
    shop.publish()
    put_past_the_gate(settings, harmful, promoted.policy_id, shop.snapshot_id)
    harmed, rolled_back = until_decided(shop)
    checked(shop)
    shop.publish()
    after = shop.serve(7)
    return {
        "seed": seed,
        "gate": promoted.gate.reason,
        "gate_of_harmful": refused.reason,
        "harmful_promoted": refused.promoted,
        "verdict": _told(kept),
        "verdict_on_harmful": _told(rolled_back),
        "live_in_the_end": live_policy(settings).policy_id,
        "lost": {
            name: lost_by_policy(visits)
            for name, visits in (
                ("while exploring", before),
                ("while it was tried", tried),
                ("while harm was tried", harmed),
                ("after", after),
            )
        },
    }


def checked(shop: SimulatedShop) -> None:
    """Check the snapshot as a first one: the simulated world mails no ads, so the mart of answers
    to them shrinks, which is meant."""
    shop.settings.live_snapshot.path.unlink(missing_ok=True)
    check(shop.settings, shop.snapshot_id)


def until_decided(shop: SimulatedShop) -> tuple[list[Visit], ExperimentReport]:
    """Serve and evaluate the running experiment until it is decided."""
    visits = []
    for _ in range(MOST_LOOKS):
        visits += shop.serve(TRIED_DAYS)
        report = evaluate_experiment(shop.settings, shop.land())
        if report.decision != "continue":
            break
    return visits, report


def turned_round(policy: LearnedPolicy) -> LearnedPolicy:
    """A policy that prefers what this one avoids."""
    state = policy.state()
    state["mean_AD"] = -state["mean_AD"]
    return LearnedPolicy.from_state(replace(policy.config, policy="epsilon greedy"), state)


def gate_of(settings: Settings, snapshot_id: str, policy: LearnedPolicy) -> PromotionDecision:
    """The decision on a policy, on the test window of a snapshot's log."""
    snapshot = Snapshot.open(settings, snapshot_id)
    dataset = read_dataset(snapshot)
    log = read_policy_log(snapshot, dataset)
    facts = context_counts(dataset.histories, dataset.items, log)
    window = split_by_time(dataset.histories).test
    shown = log.between(window.histories.end, window.targets.end)
    found = evaluated(policy, facts, shown, log, settings.seed)
    tasks = {gate.TASK: {"windows": {"test": found}}}
    return gate.decide("harmful", tasks, live_policy(settings).policy_id)


def put_past_the_gate(
    settings: Settings, policy: LearnedPolicy, like: str, snapshot_id: str
) -> None:
    """Begin an experiment with a policy that no gate has seen, described as another is. One that
    is still not decided ends."""
    folder, live = settings.policies / "p-harmful", live_policy(settings)
    folder.mkdir(parents=True)
    store.end(settings)
    kept = PolicyDescription.read(settings.policies / like / "policy.json")
    changed = kept.model_copy(update={"settings": vars(policy.config)})
    changed.write(folder / "policy.json")
    save_file(policy.state(), folder / "model.safetensors")
    as_of = Snapshot.open(settings, snapshot_id).as_of
    store.start(settings, live, "p-harmful", SHARE, as_of)


def _told(report: ExperimentReport) -> dict[str, Any]:
    return {"decision": report.decision, "reason": report.reason, "users": report.users}


def page(figures: dict[str, Any]) -> str:
    words = {
        "users": USERS,
        "items": ITEMS,
        "first": FIRST_DAYS,
        "tried": TRIED_DAYS,
        "exploration": EXPLORATION,
    }
    lines = [
        CAPTION.strip().format(**words, seed=figures["seed"]),
        "",
        f"- The gate, of what was learned: {figures['gate']}.",
        f"- The gate, of the harmful policy: {figures['gate_of_harmful']}.",
        f"- The experiment: {_verdict(figures['verdict'])}.",
        f"- The experiment with the harmful policy: {_verdict(figures['verdict_on_harmful'])}.",
        f"- Live in the end: `{figures['live_in_the_end']}`.",
        "",
        "| when | policy | visits | clicks lost a visit |",
        "|---|---|---|---|",
    ]
    for when, of_policy in figures["lost"].items():
        for name, (visits, lost) in of_policy.items():
            lines.append(f"| {when} | `{name}` | {visits:,} | {lost:.3f} |")
    return "\n".join(lines)


def _verdict(found: dict[str, Any]) -> str:
    return f"{found['decision']}: {found['reason']}"
