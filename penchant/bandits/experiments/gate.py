"""Promotion of a learned policy: it must be significantly better than the live one in the log.

A learned policy is a training run whose record has off-policy estimates of its value on the later
part of the log (family ``bandit``). It is promoted only if the lower end of its confidence interval
is above what the live policy earned there; or what all policies earned, where the live one served
too few impressions. A promoted policy starts as the treatment of an experiment.
"""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from penchant.artifacts import PolicyDescription, PromotionDecision, RunRecord, Snapshot
from penchant.bandits.assignment import live_policy
from penchant.bandits.experiments import store
from penchant.bandits.learned import LearnedPolicy
from penchant.encryption.encrypted_file import protect
from penchant.encryption.weights import read_weights
from penchant.errors import DataError, NothingToDo, UsageError
from penchant.settings import Settings
from penchant.storage import atomic_directory, held_alone

TASK, ESTIMATOR, WINDOW = "off_policy_evaluation", "DR", "test"
LEAST_EFFECTIVE = 100.0  # effective sample size: actions of the policy itself worth as much
FILES = ("policy.json", "model.safetensors")
GATE = "gate.json"


@dataclass(frozen=True)
class PromotionReport:
    """``experiment_id``: the experiment that the policy is the treatment of."""

    policy_id: str
    experiment_id: str
    gate: PromotionDecision

    def summary(self) -> str:
        return f"promoted {self.policy_id} into {self.experiment_id}: {self.gate.reason}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"gate": self.gate.as_dict()}


def decide(run_id: str, tasks: dict[str, dict[str, Any]], live: str) -> PromotionDecision:
    """The rule, on the ``tasks`` of a run's record, against the live policy. Raises DataError for
    a run without an estimate."""
    evaluated = tasks.get(TASK, {}).get("windows", {}).get(WINDOW)
    if evaluated is None:
        raise DataError(
            f"run {run_id} has no estimate on the {WINDOW} window",
            "collect a longer log: a policy is evaluated on the last fortnight",
        )
    found, effective = evaluated["estimates"][ESTIMATOR], evaluated["effective_size"]
    own = evaluated["by_policy"].get(live, {"actions": 0})
    enough = own["actions"] >= LEAST_EFFECTIVE
    current = (own if enough else evaluated["logged"])["mean"]
    words = (
        f"{ESTIMATOR} value {found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}] "
        f"against {current:.4f} earned by {live if enough else 'all that was served'}"
    )
    promoted, reason = True, f"{words}: significantly better"
    if not evaluated["choices"]:
        promoted = False
        reason = (
            f"no support: all {evaluated['actions']} logged actions had propensity 1, so no other "
            "policy can be estimated; serve with a share of exploration (PENCHANT_EXPLORATION)"
        )
    elif effective < LEAST_EFFECTIVE:
        promoted = False
        reason = f"{words}: effective sample size {effective:.0f}, less than {LEAST_EFFECTIVE:.0f}"
    elif found["low"] <= current:
        promoted, reason = False, f"{words}: not significantly better"
    return PromotionDecision(
        run_id=run_id,
        promoted=promoted,
        reason=reason,
        value=found["value"],
        low=found["low"],
        high=found["high"],
        current=current,
        effective_size=effective,
    )


def promote(settings: Settings, snapshot_id: str, run_id: str) -> PromotionReport:
    """Decide on the promotion of a learned policy and, if it passes, start an experiment with it.

    The decision is written beside the run in either case. A policy that is not promoted raises
    NothingToDo with the reason. Raises UsageError for an unknown run.
    """
    snapshot = Snapshot.open(settings, snapshot_id)
    run = settings.runs / snapshot.id / run_id
    try:
        record = RunRecord.read(RunRecord.path(run))
    except FileNotFoundError:
        raise UsageError(
            f"run {run_id} does not exist",
            f"run `penchant train --family bandit --snapshot {snapshot_id}` first",
        ) from None
    control = live_policy(settings)
    gate = decide(run_id, record.tasks, control.policy_id)
    gate.write(run.with_name(f"{run_id}.{GATE}"))
    if not gate.promoted:
        raise NothingToDo(
            f"{run_id} is not promoted: {gate.reason}", "the live policy is unchanged"
        )
    policy_id = f"p-{run_id.rpartition('-')[2]}"
    _keep(settings, run, policy_id, gate)
    if control.policy_id == policy_id:
        raise NothingToDo(f"{policy_id} is live already", "train again when the log has grown")
    last = store.result_of(settings, control.policy_id, policy_id)
    if last and last.decision in ("rollback", "mismatch"):
        raise NothingToDo(
            f"{policy_id} was tried against {control.policy_id} before; the result was "
            f"{last.decision}",
            "train again when the log has grown",
        )
    experiment = store.start(
        settings, control, policy_id, settings.experiment_share, snapshot.as_of
    )
    return PromotionReport(policy_id, experiment.id, gate)


def gates(settings: Settings, snapshot_id: str) -> list[PromotionDecision]:
    """The decisions on a snapshot's policies, for the report."""
    found = sorted((settings.runs / snapshot_id).glob(f"*.{GATE}"))
    return [PromotionDecision.read(path) for path in found]


def _keep(settings: Settings, run: Path, policy_id: str, gate: PromotionDecision) -> None:
    """Copy the files that serving reads, after reading them as serving does; an existing policy is
    left unchanged."""
    description = PolicyDescription.read(PolicyDescription.path(run))
    LearnedPolicy.read(description, read_weights(run / FILES[1]))
    with held_alone(settings.policies):
        final = settings.policies / policy_id
        if final.exists():
            return
        with atomic_directory(final) as folder:
            for name in FILES:
                shutil.copyfile(run / name, folder / name)
            protect(folder / FILES[1])
            gate.write(folder / GATE)
