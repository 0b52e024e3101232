"""The `simulate` stage: a small closed loop in the world with known truth, to see regret fall."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from penchant.bandits.policies import EpsilonGreedy
from penchant.errors import UsageError
from penchant.settings import Settings
from penchant.storage import write_json
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
BY_CHANCE = "by chance"
SHOWN = (BY_CHANCE, "exploit only", "fixed 0.1", "linucb", "thompson", "dynamic")
LEAST_DAYS = 10
SMOOTHING_DAYS = 5


@dataclass(frozen=True)
class Simulation:
    """``path``: the JSON that the report draws. ``policies``: name -> its figures."""

    path: Path
    days: int
    policies: dict[str, dict[str, Any]]

    def summary(self) -> str:
        said = ", ".join(
            f"{name} {figures['first']:.2f} to {figures['last']:.2f}"
            for name, figures in self.policies.items()
        )
        return f"simulated {self.days} days; clicks lost a visit, first to last: {said}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def simulate(settings: Settings, days: int = SMALL.days, users: int = SMALL.users) -> Simulation:
    """Let each policy serve the same small world, over a few seeds from that of the settings.

    Writes ``simulation/regret.json`` under the home: of each policy the clicks a visit that the
    best slates would have got more, day by day, and the clicks of all days. Raises UsageError for a
    world that is too small to learn in.
    """
    if days < LEAST_DAYS or users < 1:
        raise UsageError(
            f"a world of {days} days and {users} users is too small to see regret fall",
            f"ask for at least {LEAST_DAYS} days and one user",
        )
    config = replace(SMALL, days=days, users=users)
    choosers = {named.name: named.chooser for named in contenders(config.slate)}
    choosers[BY_CHANCE] = fixed(EpsilonGreedy(1.0))
    policies = {name: _figures(choosers[name], config, settings.seed) for name in SHOWN}
    path = settings.simulation / "regret.json"
    world = {"days": days, "users": users, "seeds": SEEDS, "seed": settings.seed}
    write_json(path, {**world, "warming_days": WARMING_DAYS, "policies": policies})
    return Simulation(path, days, policies)


def _figures(chooser: Chooser, config: WorldConfig, seed: int) -> dict[str, Any]:
    courses = [run_policy(chooser, config, seed + number) for number in range(SEEDS)]
    lost_T = _summed(courses, "regret_T") / np.maximum(_summed(courses, "visits_T"), 1)
    smooth_T = np.convolve(lost_T, np.full(SMOOTHING_DAYS, 1 / SMOOTHING_DAYS), "valid")
    return {
        "regret_a_visit": np.round(smooth_T, 4).tolist(),
        "first": round(float(smooth_T[0]), 4),
        "last": round(float(smooth_T[-1]), 4),
        "clicks": round(float(_summed(courses, "clicks_T").sum()) / SEEDS, 1),
        "left": float(_summed(courses, "left_T")[-1]) / SEEDS,
    }


def _summed(courses: list[Course], name: str) -> Any:
    return np.sum([getattr(course, name) for course in courses], axis=0)
