"""Long-term value and regret of each policy in a simulated world with known truth."""

import time
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.rows import grid, interval
from penchant.bandits.dynamic import ExplorationConfig
from penchant.bandits.slates import FloatArray
from penchant.settings import Settings
from training.evaluation.metrics.intervals import bootstrap
from training.simulation.closed_loop import Chooser, Course, contenders, dynamic, run_policy
from training.simulation.world import World, WorldConfig

TITLE = "The world with known truth: long-term value and regret"
SELECTION_SEEDS = range(100, 106)
EVALUATION_SEEDS = range(12)
ALWAYS = 50.0  # base of a trade-off whose share is always its ceiling
CAPTION = f"""1,000 users, 240 items, 120 days, slates of 4 among 24 candidates
(`training/simulation/world.py`). *Value* is the clicks expected from day 4 on, over all users,
including those who stay because they are less bored; *regret* is what the best slate of each visit
would have earned more, on that day. The best fixed share and the parameters of the trade-off were
selected on {len(SELECTION_SEEDS)} other seeds. Gains are paired over {len(EVALUATION_SEEDS)} seeds,
with 95 % bootstrap intervals. The rows named *its explorers* are the dynamic trade-off with a fixed
share of exploration: they separate the effect of a varying share from that of its explorers
(posterior sampling, fatigue-aware)."""


def fixed_share(share: float) -> Chooser:
    """The trade-off's explorers with a fixed share."""
    return dynamic(ExplorationConfig(ceiling=share, base=ALWAYS), WorldConfig().slate)


def measure(settings: Settings) -> dict[str, Any]:
    config = WorldConfig()
    policies = {named.name: named.chooser for named in contenders(config.slate)}
    fixed = {name: one for name, one in policies.items() if name.startswith("fixed")}
    fixed["exploit only"] = policies["exploit only"]
    selection = {
        name: float(np.mean([run_policy(one, config, seed).value for seed in SELECTION_SEEDS]))
        for name, one in fixed.items()
    }
    best = max(selection, key=lambda name: selection[name])
    explorers = {
        f"its explorers, {share:g} of actions": fixed_share(share) for share in (0.1, 0.3, 0.6, 1)
    }
    courses = {}
    for name, chooser in (policies | explorers).items():
        print(f"  {name}", flush=True)
        courses[name] = [run_policy(chooser, config, seed) for seed in EVALUATION_SEEDS]
    dynamic_U = _values(courses["dynamic"])
    return {
        "best_fixed": best,
        "selection": selection,
        "impressions_per_second": world_speed(config, settings.seed),
        "policies": {
            name: {
                "value": asdict(bootstrap(_values(found), settings.seed)),
                "regret": asdict(bootstrap(np.array([one.regret for one in found]), settings.seed)),
                "left": float(np.mean([one.left_T[-1] for one in found])),
                "gain_over_best_fixed": asdict(
                    bootstrap(_values(found) / _values(courses[best]) - 1, settings.seed)
                ),
                "gain_of_dynamic": asdict(bootstrap(dynamic_U / _values(found) - 1, settings.seed)),
                "explorer": name in explorers,
            }
            for name, found in courses.items()
        },
    }


def world_speed(config: WorldConfig, seed: int) -> float:
    """Impressions a second of the world alone, random slates: the median of five worlds."""
    speeds = []
    for repeat in range(5):
        world, random, shown = World(config, seed + repeat), np.random.default_rng(seed), 0
        started = time.perf_counter()
        for _ in range(config.days):
            requests = world.requests()
            shape = (len(requests.users_B), config.slate)
            first_B = random.integers(0, config.candidates - config.slate + 1, shape[0])
            world.answer(requests, first_B[:, None] + np.arange(config.slate))
            shown += shape[0] * shape[1]
            world.next_day()
        speeds.append(shown / (time.perf_counter() - started))
    return float(np.median(speeds))


def _values(courses: list[Course]) -> FloatArray:
    return np.array([one.value for one in courses])


def page(figures: dict[str, Any]) -> str:
    best = figures["best_fixed"]
    rows = [
        [
            name,
            *(interval(one[key], 0) for key in ("value", "regret")),
            f"{one['left']:.0f}",
            *(
                interval(one[key], 1, "+", "%")
                for key in ("gain_over_best_fixed", "gain_of_dynamic")
            ),
        ]
        for name, one in sorted(figures["policies"].items(), key=lambda one: one[1]["explorer"])
    ]
    head = ["policy", "value", "regret", "users who left", f"value over {best}", "dynamic over it"]
    return "\n\n".join(
        [
            CAPTION,
            f"The best fixed share: **{best}**. The world alone answers "
            f"{figures['impressions_per_second']:,.0f} impressions a second with one thread.",
            grid(head, rows),
        ]
    )
