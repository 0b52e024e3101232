"""Which policy serves a user: the live one or, while an experiment runs, that of the user's
arm: by hash, so that every reader says the same, and for as long as the experiment runs.

The id of the experiment salts the hash: who is in which arm of one says nothing about another.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from penchant.errors import UsageError
from penchant.settings import Settings

HASH_BITS = 64
PLAN = "experiment.json"
RANKER = "ranker"


@dataclass(frozen=True)
class Experiment:
    """``shares``: policy id -> share of users, the control first. ``began_at``: naive UTC, the
    end of the data that its treatment was learned from."""

    id: str
    shares: dict[str, float]
    began_at: datetime

    @property
    def control(self) -> str:
        return next(iter(self.shares))

    @property
    def treatment(self) -> str:
        return list(self.shares)[1]

    def folder(self, settings: Settings) -> Path:
        return settings.experiments / self.id


@dataclass(frozen=True)
class Served:
    """What a user is served by, and the experiment that says so, if one runs."""

    policy_id: str
    experiment_id: str | None


def running(settings: Settings) -> Experiment | None:
    """The experiment that runs."""
    experiment_id = settings.live_experiment.current()
    if experiment_id is None:
        return None
    plan = json.loads((settings.experiments / experiment_id / PLAN).read_text())
    shares = {arm: plan["shares"][arm] for arm in plan["arms"]}  # JSON's keys were sorted
    return Experiment(plan["id"], shares, datetime.fromisoformat(plan["began_at"]))


def live_policy(settings: Settings) -> str:
    """The policy that everybody is served by where no experiment says otherwise: the one that won
    the last, or else the ranker's own order, with the share of exploration of the settings now."""
    won = settings.live_policy.current()
    if won is None or ranker_exploration(won) is not None:
        return ranker_policy(settings.exploration)
    return won


def ranker_policy(exploration: float) -> str:
    """The id of the policy that shows the ranker's order save for a share of picks by chance."""
    return f"{RANKER}-{exploration:g}" if exploration else RANKER


def ranker_exploration(policy_id: str) -> float | None:
    """The share of exploration that a ranker policy's id names; None for any other policy."""
    name, _, share = policy_id.partition("-")
    return None if name != RANKER else float(share or 0)


def served(settings: Settings, user_id: str) -> Served:
    """What serves a user now."""
    experiment = running(settings)
    if experiment is None:
        return Served(live_policy(settings), None)
    return Served(arm_of(experiment.id, user_id, experiment.shares), experiment.id)


def arm_of(experiment_id: str, user_id: str, shares: Mapping[str, float]) -> str:
    """The arm of a user. ``shares``: each arm's share of users, in a fixed order, summing to
    one. Raises UsageError for shares that do not."""
    check_shares(shares)
    digest = hashlib.sha256(f"{experiment_id}\0{user_id}".encode()).digest()
    place = int.from_bytes(digest[: HASH_BITS // 8], "big") / 2**HASH_BITS
    below = 0.0
    for arm, share in shares.items():
        below += share
        if place < below:
            return arm
    return arm  # where the shares' sum was rounded down


def check_shares(shares: Mapping[str, float]) -> None:
    """Raise UsageError unless there are two arms or more, each of a share, all summing to one."""
    if len(shares) < 2 or min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-9:
        raise UsageError(
            f"shares of arms are {dict(shares)}", "give two or more, each above 0, summing to 1"
        )
