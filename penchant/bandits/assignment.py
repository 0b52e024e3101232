"""Which policy serves a user: the live one or, during an experiment, that of the user's arm.

Users are assigned by hash, so that every process gives the same answer for as long as the
experiment runs. The experiment's id salts the hash: assignments of experiments are independent.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from penchant.artifacts import Experiment
from penchant.errors import UsageError
from penchant.settings import Settings

HASH_BITS = 64
PLAN = "experiment.json"
RANKER = "ranker"


@dataclass(frozen=True)
class PolicyAssignment:
    """The policy that serves a user, and the experiment that assigned it, if one runs.

    ``exploration``: share of random actions of a ranker policy; None for a learned policy.
    """

    policy_id: str
    exploration: float | None
    experiment_id: str | None = None


def folder_of(settings: Settings, experiment_id: str) -> Path:
    """The directory of an experiment."""
    return settings.experiments / experiment_id


def running_experiment(settings: Settings) -> Experiment | None:
    """The experiment that runs now."""
    experiment_id = settings.live_experiment.current()
    if experiment_id is None:
        return None
    return Experiment.read(folder_of(settings, experiment_id) / PLAN)


def live_policy(settings: Settings) -> PolicyAssignment:
    """The policy outside of experiments: the learned policy that won the last one, or else the
    order of the ranker with the share of random actions in the settings."""
    won = settings.live_policy.current()
    if won is None:
        return PolicyAssignment(ranker_policy(settings.exploration), settings.exploration)
    return PolicyAssignment(won, None)


def ranker_policy(exploration: float) -> str:
    """The id of the policy that shows the ranker's order except for a share of random actions."""
    return f"{RANKER}-{exploration:g}" if exploration else RANKER


def assign(settings: Settings, user_id: str) -> PolicyAssignment:
    """The policy that serves a user now."""
    experiment = running_experiment(settings)
    if experiment is None:
        return live_policy(settings)
    assigned = arm_of(experiment.id, user_id, experiment.shares)
    arm = next(arm for arm in experiment.arms if arm.policy_id == assigned)
    return PolicyAssignment(arm.policy_id, arm.exploration, experiment.id)


def logged_context(experiment_id: str | None, exploration: float) -> str:
    """The JSON that is logged with an impression; ``experiment_of`` reads it."""
    context = {"experiment": experiment_id, "exploration": round(exploration, 4)}
    return json.dumps(context, separators=(",", ":"))


def experiment_of(context: str) -> str | None:
    """The experiment that assigned an impression, from its logged context; None for a context that
    another system logged."""
    try:
        logged = json.loads(context)
    except ValueError:
        return None
    return logged.get("experiment") if isinstance(logged, dict) else None


def arm_of(experiment_id: str, user_id: str, shares: Mapping[str, float]) -> str:
    """The arm of a user. ``shares``: each arm's share of users, in a fixed order, summing to 1.
    Raises UsageError for other shares."""
    check_shares(shares)
    digest = hashlib.sha256(f"{experiment_id}\0{user_id}".encode()).digest()
    place = int.from_bytes(digest[: HASH_BITS // 8], "big") / 2**HASH_BITS
    below = 0.0
    for arm, share in shares.items():
        below += share
        if place < below:
            return arm
    return arm  # the sum of the shares was rounded down


def check_shares(shares: Mapping[str, float]) -> None:
    """Raise UsageError unless two or more arms have positive shares that sum to one."""
    if len(shares) < 2 or min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-9:
        raise UsageError(
            f"shares of arms: must be two or more, each above 0, summing to 1, got {dict(shares)}",
            "fix the share of the experiment (PENCHANT_EXPERIMENT_SHARE)",
        )
