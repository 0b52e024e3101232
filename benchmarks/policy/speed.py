"""Updates and decisions a second beside mabwiser and Vowpal Wabbit, on the same log, in one run."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rows import Row
from benchmarks.training import PEERS, ROOT, environment
from penchant.bandits.logistic import sigmoid
from penchant.bandits.slates import FloatArray
from penchant.settings import Settings
from training.evaluation.metrics.intervals import bootstrap

TITLE = "Updates and decisions a second"
ARMS, DIMENSIONS, ACTIONS, ASKED = 20, 12, 20_000, 5_000
SETTINGS = {"repeats": 25, "batches": 20, "width": 1.0}
AIMS = {"mabwiser": ">= 10 x", "vowpalwabbit": ">= 0.5 x"}
CAPTION = """
{actions:,} random actions of {arms} arms in contexts of {dimensions} numbers, learned in batches
of {batch:,}, then {asked:,} decisions; clicks are logistic in the context, so the reward of each
decision is known: what an arm is clicked, over the contexts. One thread each, a process each, one
after the other; the best of {repeats}. *Times* is how many times less time ours takes for one.
Reward is the mean over decisions, with the 95 % interval; ours less the peer's is paired. mabwiser
and ours are disjoint LinUCB; Vowpal Wabbit is `--cb_explore`, by its own driver or example by
example, whichever is faster. Ours also knows the propensity of each decision, and computes the
deviation only of arms that could win by bounds that cost one product. What is left of a decision is
that product, the bounds and, a part of each pass, solving the posteriors that were just learned;
mabwiser multiplies whole batches too. Seconds are of the processor where the clock has more,
because other work may share the machine.
"""


def measure(settings: Settings) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="penchant-bandits-") as folder:
        truth_BA = write_log(Path(folder) / "log.npz", settings.seed)
        found = {
            package: _run(package, Path(folder), ROOT / ".peers") for package in ("penchant", *AIMS)
        }
    rewards = {
        package: truth_BA[np.arange(ASKED), np.array(one.pop("actions"))]
        for package, one in found.items()
    }
    ours = rewards["penchant"]
    return {
        package: {
            **one,
            "updates_per_second": ACTIONS / min(one["learning"]),
            "decisions_per_second": ASKED / min(one["deciding"]),
            "reward": _interval(rewards[package], settings.seed),
            "ours_less_its": _interval(ours - rewards[package], settings.seed),
        }
        for package, one in found.items()
    }


def write_log(path: Path, seed: int) -> FloatArray:
    """Write the log; the true chance of a click of each arm for each context that is asked."""
    random = np.random.default_rng(seed)
    weights_AD = random.standard_normal((ARMS, DIMENSIONS)) / np.sqrt(DIMENSIONS)

    def contexts(count: int) -> FloatArray:
        found = random.standard_normal((count, DIMENSIONS))
        found[:, 0] = 1.0
        return found

    contexts_ND, asked_BD = contexts(ACTIONS), contexts(ASKED)
    actions_N = random.integers(0, ARMS, ACTIONS)
    chance_N = sigmoid((contexts_ND * weights_AD[actions_N]).sum(axis=1) * 1.5 - 1.5)
    rewards_N = (random.random(ACTIONS) < chance_N).astype(np.int64)
    np.savez(
        path, contexts=contexts_ND, actions=actions_N, rewards=rewards_N, asked=asked_BD, arms=ARMS
    )
    return sigmoid(asked_BD @ weights_AD.T * 1.5 - 1.5)


def _run(package: str, folder: Path, venvs: Path) -> Any:
    """The result of a script, as bandit_peer.py's ``finish`` prints it."""
    python = Path(sys.executable) if package == "penchant" else environment(package, venvs)
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    script = PEERS / f"with_{package}.py"
    done = subprocess.run(
        [str(python), str(script), str(folder / "log.npz"), json.dumps(SETTINGS)],
        cwd=folder,
        env={**os.environ, **threads, "PYTHONPATH": str(ROOT) if package == "penchant" else ""},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        done.check_returncode()
    return json.loads(done.stdout.splitlines()[-1])


def _interval(values_U: FloatArray, seed: int) -> list[float]:
    found = bootstrap(values_U, seed)
    return [found.mean, found.low, found.high]


def rows(figures: dict[str, Any]) -> list[Row]:
    """Microseconds for one, ours beside each peer's, with the aims."""
    found = []
    for what, key in (("an update", "updates_per_second"), ("a decision", "decisions_per_second")):
        for package, aim in AIMS.items():
            ours, theirs = (1e6 / figures[name][key] for name in ("penchant", package))
            name = figures[package]["package"]
            found.append(Row(f"policy: {what}", ours, "µs", aim, theirs, name))
    return found


TABLE_HEAD = ("| what | ours, µs | peer | peer, µs | times | aim |", "|---|---|---|---|---|---|")


def page(figures: dict[str, Any]) -> str:
    counts = {"actions": ACTIONS, "arms": ARMS, "dimensions": DIMENSIONS, "asked": ASKED}
    lines = [
        CAPTION.strip().format(
            **counts, batch=ACTIONS // int(SETTINGS["batches"]), repeats=SETTINGS["repeats"]
        ),
        "",
        "| package | updates/s | decisions/s | reward | ours less its |",
        "|---|---|---|---|---|",
    ]
    for one in figures.values():
        speeds = f"{one['updates_per_second']:,.0f} | {one['decisions_per_second']:,.0f}"
        reward, less = (
            "{:.4f} [{:.4f}, {:.4f}]".format(*one[key]) for key in ("reward", "ours_less_its")
        )
        lines.append(f"| {one['package']} | {speeds} | {reward} | {less} |")
    lines += ["", *TABLE_HEAD]
    for row in rows(figures):
        aim = f"{row.target}{'' if row.met else ', missed'}"
        peer = f"{row.peer_name} | {row.peer:.3g} | {row.times_less:.3g}"
        lines.append(f"| {row.what} | {row.ours:.3g} | {peer} | {aim} |")
    return "\n".join(lines)
