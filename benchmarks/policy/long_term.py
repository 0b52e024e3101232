"""What each policy earns in the world with known truth, and what it loses against the best."""

import time
from typing import Any

import numpy as np

from penchant.bandits.dynamic import ExplorationConfig
from penchant.bandits.slates import FloatArray
from penchant.settings import Settings
from training.evaluation.metrics.intervals import bootstrap
from training.simulation.closed_loop import Chooser, Course, contenders, dynamic, run_policy
from training.simulation.world import World, WorldConfig

TITLE = "The world with known truth: long-term value and regret"
CHOOSING = range(100, 106)  # seeds on which the best fixed share was chosen
EVALUATION = range(12)
ALWAYS = 50.0  # of a trade-off's base: the share is then its ceiling
CAPTION = """
1,000 users, 240 items, 120 days, slates of 4 among 24 candidates
(`training/simulation/world.py`). *Value* is the clicks expected from day 4 on, over all users,
also by those who stay for being less bored; *regret* what the best slate of each visit would have
earned more, on that day. The best fixed share was chosen on {choosing} other seeds, as were the
numbers of the trade-off. Gains are paired over {evaluation} seeds, in brackets the 95 % bootstrap
interval. The rows named *its explorers* are the dynamic trade-off with its share of exploration
held fixed: beside them one sees what a share that moves is worth, apart from what is explored
(draws from the posterior, sparing what tires).
"""


def held(share: float) -> Chooser:
    """The trade-off's own explorers, as often for everybody."""
    return dynamic(ExplorationConfig(ceiling=share, base=ALWAYS), WorldConfig().slate)


def measure(settings: Settings) -> dict[str, Any]:
    config = WorldConfig()
    policies = {named.name: named.chooser for named in contenders(config.slate)}
    fixed = {name: one for name, one in policies.items() if name.startswith("fixed")}
    fixed["exploit only"] = policies["exploit only"]
    chosen = {
        name: float(np.mean([run_policy(one, config, seed).value for seed in CHOOSING]))
        for name, one in fixed.items()
    }
    best = max(chosen, key=lambda name: chosen[name])
    explorers = {
        f"its explorers, {share:g} of actions": held(share) for share in (0.1, 0.3, 0.6, 1)
    }
    courses = {}
    for name, chooser in (policies | explorers).items():
        print(f"  {name}", flush=True)
        courses[name] = [run_policy(chooser, config, seed) for seed in EVALUATION]
    dynamic_U = _values(courses["dynamic"])
    return {
        "best_fixed": best,
        "chosen_on": chosen,
        "impressions_per_second": world_speed(config, settings.seed),
        "policies": {
            name: {
                "value": _interval(_values(found), settings.seed),
                "regret": _interval(np.array([one.regret for one in found]), settings.seed),
                "left": float(np.mean([one.left_T[-1] for one in found])),
                "gain_over_best_fixed": _interval(
                    _values(found) / _values(courses[best]) - 1, settings.seed
                ),
                "gain_of_dynamic": _interval(dynamic_U / _values(found) - 1, settings.seed),
                "explorer": name in explorers,
            }
            for name, found in courses.items()
        },
    }


def world_speed(config: WorldConfig, seed: int) -> float:
    """Impressions a second of the world alone, slates by chance: the median of five worlds."""
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


def _interval(values_U: FloatArray, seed: int) -> list[float]:
    found = bootstrap(values_U, seed)
    return [found.mean, found.low, found.high]


def page(figures: dict[str, Any]) -> str:
    best = figures["best_fixed"]
    counts = {"choosing": len(CHOOSING), "evaluation": len(EVALUATION)}
    lines = [
        CAPTION.strip().format(**counts),
        "",
        f"The best fixed share: **{best}**. The world alone answers "
        f"{figures['impressions_per_second']:,.0f} impressions a second with one thread.",
        "",
        f"| policy | value | regret | users who left | value over {best} | dynamic over it |",
        "|---|---|---|---|---|---|",
    ]
    rows = sorted(figures["policies"].items(), key=lambda one: one[1]["explorer"])
    for name, one in rows:
        value, regret = (_whole(one[key]) for key in ("value", "regret"))
        gains = " | ".join(
            _percent(one[key]) for key in ("gain_over_best_fixed", "gain_of_dynamic")
        )
        lines.append(f"| {name} | {value} | {regret} | {one['left']:.0f} | {gains} |")
    return "\n".join(lines)


def _whole(interval: list[float]) -> str:
    mean, low, high = (f"{figure:,.0f}" for figure in interval)
    return f"{mean} [{low}, {high}]"


def _percent(interval: list[float]) -> str:
    mean, low, high = (f"{100 * figure:+.1f} %" for figure in interval)
    return f"{mean} [{low}, {high}]"
