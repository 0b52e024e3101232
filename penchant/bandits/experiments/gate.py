"""The gate before a policy meets a user: it must beat what is served, for sure, in the log.

A learned policy is a training run whose record has estimates of its value on the later part of the
log (family ``bandit``). It is promoted only if the lower end of its estimate's interval is above
what the live policy earned there, or all that was served, where the live one wrote too little of
the log. A promoted policy is not yet everybody's: it starts as the treatment of an experiment.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from penchant.artifacts import Snapshot
from penchant.bandits.assignment import live_policy
from penchant.bandits.experiments import store
from penchant.bandits.learned import LearnedPolicy
from penchant.errors import DataError, NothingToDo, UsageError
from penchant.settings import Settings
from penchant.storage import atomic_directory, held_alone, write_json

ESTIMATOR, WINDOW = "DR", "test"
LEAST_EFFECTIVE = 100.0  # picks of the policy itself that would say as much
FILES = ("policy.json", "model.safetensors")
GATE = "gate.json"


@dataclass(frozen=True)
class Gate:
    """``value``, ``low``, ``high``: the policy's estimate; ``current``: what it has to beat."""

    run_id: str
    promoted: bool
    reason: str
    value: float
    low: float
    high: float
    current: float
    effective_size: float


@dataclass(frozen=True)
class PromotionReport:
    """``experiment_id``: the experiment that the policy is the treatment of."""

    policy_id: str
    experiment_id: str
    gate: Gate

    def summary(self) -> str:
        return f"promoted {self.policy_id} into {self.experiment_id}: {self.gate.reason}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def decide(record: dict[str, Any], live: str) -> Gate:
    """The rule, on a run's record, against the policy that is live. Raises DataError where the
    record holds no estimate."""
    judged = record.get("tasks", {}).get("acting", {}).get("windows", {}).get(WINDOW)
    if judged is None:
        raise DataError(
            f"run {record['run_id']} has no estimate on the {WINDOW} window",
            "log for longer: the last fortnight is what a policy is judged on",
        )
    found, effective = judged["estimates"][ESTIMATOR], judged["effective_size"]
    own = judged["by_policy"].get(live, {"picks": 0})
    enough = own["picks"] >= LEAST_EFFECTIVE
    current = (own if enough else judged["logged"])["mean"]
    words = (
        f"{ESTIMATOR} value {found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}] "
        f"against {current:.4f} earned by {live if enough else 'what was served'}"
    )
    promoted, reason = True, f"{words}: better, for sure"
    if not judged["choices"]:
        promoted = False
        reason = (
            f"no support: all {judged['picks']} picks of the log were sure to be shown, so it says "
            "nothing of any other policy; serve with a share of exploration (PENCHANT_EXPLORATION)"
        )
    elif effective < LEAST_EFFECTIVE:
        promoted = False
        reason = f"{words}: the log is worth {effective:.0f} picks of it, too few to say"
    elif found["low"] <= current:
        promoted, reason = False, f"{words}: not better for sure"
    interval = (found["value"], found["low"], found["high"])
    return Gate(record["run_id"], promoted, reason, *interval, current, effective)


def promote(settings: Settings, snapshot_id: str, run_id: str) -> PromotionReport:
    """Put a learned policy through the gate and, when it passes, into an experiment.

    The verdict is kept beside the run, also when it is a refusal: then NothingToDo is raised with
    the reason, and what is served stays. Raises UsageError for a run that is not there.
    """
    snapshot = Snapshot.open(settings, snapshot_id)
    run = settings.runs / snapshot.id / run_id
    if not (run / "run.json").is_file():
        raise UsageError(
            f"run {run_id} is not there",
            f"run `penchant train --family bandit --snapshot {snapshot_id}` first",
        )
    control = live_policy(settings)
    gate = decide(json.loads((run / "run.json").read_text()), control)
    write_json(run.with_name(f"{run_id}.{GATE}"), asdict(gate))
    if not gate.promoted:
        raise NothingToDo(f"{run_id} is not promoted: {gate.reason}", "what is served stays")
    policy_id = f"p-{run_id.rpartition('-')[2]}"
    _keep(settings, run, policy_id, gate)
    if control == policy_id:
        raise NothingToDo(f"{policy_id} is live already", "learn again when the log has grown")
    tried = store.verdict_of(settings, control, policy_id)
    if tried in ("rollback", "mismatch"):
        raise NothingToDo(
            f"{policy_id} was tried against {control} already, and ended in a {tried}",
            "learn again when the log has grown",
        )
    experiment = store.start(
        settings, control, policy_id, settings.experiment_share, snapshot.as_of
    )
    return PromotionReport(policy_id, experiment.id, gate)


def gates(settings: Settings, snapshot_id: str) -> list[dict[str, Any]]:
    """What the gate said of a snapshot's policies, for the report."""
    found = sorted((settings.runs / snapshot_id).glob(f"*.{GATE}"))
    return [json.loads(path.read_text()) for path in found]


def _keep(settings: Settings, run: Path, policy_id: str, gate: Gate) -> None:
    """Copy what serving reads of the run, having read it as serving does; a policy that is there
    stays as it is."""
    described = json.loads((run / FILES[0]).read_text())
    LearnedPolicy.read(described, load_file(run / FILES[1]))
    with held_alone(settings.policies):
        final = settings.policies / policy_id
        if final.exists():
            return
        with atomic_directory(final) as folder:
            for name in FILES:
                shutil.copyfile(run / name, folder / name)
            write_json(folder / GATE, asdict(gate))
