"""Updates and decisions a second beside mabwiser and Vowpal Wabbit, on the same log."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import ROOT, peer, threads
from benchmarks.rows import Row, grid, interval, table
from penchant.bandits.logistic import sigmoid
from penchant.bandits.slates import FloatArray
from penchant.settings import Settings
from training.evaluation.metrics.intervals import bootstrap

TITLE = "Updates and decisions a second"
ARMS, DIMENSIONS, ACTIONS, DECISIONS = 20, 12, 20_000, 5_000
REPEATS, BATCHES = 25, 20
TARGETS = {"mabwiser": ">= 10 x", "vowpalwabbit": ">= 0.5 x"}
CAPTION = f"""{ACTIONS:,} random actions among {ARMS} arms in contexts of {DIMENSIONS} numbers,
learned in batches of {ACTIONS // BATCHES:,}, then {DECISIONS:,} decisions; clicks are logistic
in the context, so the expected reward of each decision is known. One thread and a process each,
one after the other; the best of {REPEATS}. *Times* is how many times less time ours takes.
Reward is the mean over decisions, with the 95 % interval; ours minus the peer's is paired.
mabwiser and ours are disjoint LinUCB; Vowpal Wabbit is `--cb_explore`, by its driver or example
by example, whichever is faster. Ours also computes the propensity of each decision, and the
deviation only of arms that could win by bounds that cost one product. Seconds are of the
processor where the clock has more, because other work may share the machine."""


def measure(settings: Settings) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="penchant-bandits-") as folder:
        log = Path(folder) / "log.npz"
        truth_BA = write_log(log, settings.seed)
        options = json.dumps({"repeats": REPEATS, "batches": BATCHES, "width": 1.0})
        own = threads(1) | {"PYTHONPATH": str(ROOT)}
        found = {"penchant": peer("with_penchant", log, options, environment=own)}
        for name in TARGETS:
            clean = threads(1) | {"PYTHONPATH": ""}
            found[name] = peer(f"with_{name}", log, options, package=name, environment=clean)
    rewards = {
        package: truth_BA[np.arange(DECISIONS), np.array(one.pop("actions"))]
        for package, one in found.items()
    }
    return {
        package: {
            **one,
            "updates_per_second": ACTIONS / min(one["learning"]),
            "decisions_per_second": DECISIONS / min(one["deciding"]),
            "reward": asdict(bootstrap(rewards[package], settings.seed)),
            "ours_less_its": asdict(
                bootstrap(rewards["penchant"] - rewards[package], settings.seed)
            ),
        }
        for package, one in found.items()
    }


def write_log(path: Path, seed: int) -> FloatArray:
    """Write the log; return the true click probability of each arm for each decision."""
    random = np.random.default_rng(seed)
    weights_AD = random.standard_normal((ARMS, DIMENSIONS)) / np.sqrt(DIMENSIONS)

    def contexts(count: int) -> FloatArray:
        found = random.standard_normal((count, DIMENSIONS))
        found[:, 0] = 1.0
        return found

    contexts_ND, decisions_BD = contexts(ACTIONS), contexts(DECISIONS)
    actions_N = random.integers(0, ARMS, ACTIONS)
    chance_N = sigmoid((contexts_ND * weights_AD[actions_N]).sum(axis=1) * 1.5 - 1.5)
    arrays = {
        "contexts": contexts_ND,
        "actions": actions_N,
        "rewards": (random.random(ACTIONS) < chance_N).astype(np.int64),
        "decisions": decisions_BD,
    }
    np.savez(path, arms=ARMS, **arrays)
    return sigmoid(decisions_BD @ weights_AD.T * 1.5 - 1.5)


def page(figures: dict[str, Any]) -> str:
    """Speed and reward of each package, then microseconds beside each peer's, with the targets."""
    speeds = ("updates_per_second", "decisions_per_second")
    packages = [
        [
            one["package"],
            *(f"{one[key]:,.0f}" for key in speeds),
            *(interval(one[key]) for key in ("reward", "ours_less_its")),
        ]
        for one in figures.values()
    ]
    rows = []
    for what, key in zip(("an update", "a decision"), speeds, strict=True):
        for package, target in TARGETS.items():
            ours, theirs = (1e6 / figures[name][key] for name in ("penchant", package))
            name = figures[package]["package"]
            rows.append(Row(f"policy: {what}", ours, "µs", target, theirs, name).as_dict())
    head = ["package", "updates/s", "decisions/s", "reward", "ours minus its"]
    return "\n\n".join([CAPTION, grid(head, packages), table(rows, digits=3)])
