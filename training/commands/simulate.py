"""The `simulate` stage: policies in a small simulated world, in which their regret is known."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from penchant.artifacts import SimulatedPolicy, SimulationRecord
from penchant.bandits.policies import EpsilonGreedy
from penchant.errors import DataError, UsageError
from penchant.settings import Settings
from training.commands.run_identity import code_version_of
from training.simulation.closed_loop import (
    WARMING_DAYS,
    Chooser,
    Course,
    contenders,
    fixed,
    run_policy,
)
from training.simulation.world import WorldConfig

SMALL = WorldConfig(users=500, items=120, days=60, candidates=16)
SEEDS = 3
RANDOM = "random"
SHOWN = (RANDOM, "exploit only", "fixed 0.1", "linucb", "thompson", "dynamic")
LEAST_DAYS = 10
SMOOTHING_DAYS = 5


@dataclass(frozen=True)
class Simulation:
    """``path``: of the record."""

    path: Path
    record: SimulationRecord

    def summary(self) -> str:
        regret = ", ".join(
            f"{name} {policy.first:.2f} to {policy.last:.2f}"
            for name, policy in self.record.policies.items()
        )
        return f"simulated {self.record.days} days; regret per visit, first to last: {regret}"

    def as_dict(self) -> dict[str, Any]:
        return {**self.record.as_dict(), "path": self.path}


def simulate(settings: Settings, days: int = SMALL.days, users: int = SMALL.users) -> Simulation:
    """Run each policy in the same small world, for a few seeds from that of the settings.

    Writes ``simulation/regret.json`` under the home, unless it holds the same simulation. Regret is
    the clicks per visit that the best slates would have added. Raises UsageError for a world that
    is too small to learn in.
    """
    if days < LEAST_DAYS or users < 1:
        raise UsageError(
            f"a world of {days} days and {users} users is too small to see regret fall",
            f"use at least {LEAST_DAYS} days and one user",
        )
    config = replace(SMALL, days=days, users=users)
    path = SimulationRecord.path(settings)
    identity = identity_of(config, settings.seed)
    if (found := _existing(path)) and found.identity == identity:
        return Simulation(path, found)
    choosers = {named.name: named.chooser for named in contenders(config.slate)}
    choosers[RANDOM] = fixed(EpsilonGreedy(1.0))
    policies = {name: _simulated(choosers[name], config, settings.seed) for name in SHOWN}
    record = SimulationRecord(
        identity=identity,
        days=days,
        users=users,
        seeds=SEEDS,
        seed=settings.seed,
        warming_days=WARMING_DAYS,
        policies=policies,
    )
    record.write(path)
    return Simulation(path, record)


def identity_of(config: WorldConfig, seed: int) -> str:
    """Hash of the code and the inputs of a simulation."""
    content = json.dumps([code_version_of(__name__), asdict(config), seed])
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _existing(path: Path) -> SimulationRecord | None:
    """The record of an earlier simulation; None for one of another version, too."""
    try:
        return SimulationRecord.read(path)
    except (FileNotFoundError, DataError):
        return None


def _simulated(chooser: Chooser, config: WorldConfig, seed: int) -> SimulatedPolicy:
    courses = [run_policy(chooser, config, seed + number) for number in range(SEEDS)]
    lost_T = _summed(courses, "regret_T") / np.maximum(_summed(courses, "visits_T"), 1)
    smooth_T = np.convolve(lost_T, np.full(SMOOTHING_DAYS, 1 / SMOOTHING_DAYS), "valid")
    return SimulatedPolicy(
        regret_per_visit=tuple(np.round(smooth_T, 4).tolist()),
        first=round(float(smooth_T[0]), 4),
        last=round(float(smooth_T[-1]), 4),
        clicks=round(float(_summed(courses, "clicks_T").sum()) / SEEDS, 1),
        left=float(_summed(courses, "left_T")[-1]) / SEEDS,
    )


def _summed(courses: list[Course], name: str) -> Any:
    return np.sum([getattr(course, name) for course in courses], axis=0)
