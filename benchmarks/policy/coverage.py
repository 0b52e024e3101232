"""Coverage of the true value of a simulated world by intervals of off-policy estimates."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.rows import grid
from penchant.bandits.policies import EpsilonGreedy, Policy, Thompson
from penchant.bandits.slates import (
    ActionScores,
    FloatArray,
    action_probabilities,
    draw_slates,
    slate_propensities,
    without_action,
)
from penchant.settings import Settings
from training.evaluation.metrics.off_policy import Estimate, Logged, estimates, logged
from training.layers.additive_belief import AdditiveBelief, AdditiveConfig
from training.simulation.closed_loop import Loop, fixed
from training.simulation.world import Requests, WorldConfig

TITLE = "Off-policy estimates against the world's true values"
REPEATS = 200
SLATES = 4000  # of a log
DAYS = 30  # that the belief was updated for
RESAMPLES = 1000
CLIP = 20.0
CONFIG = WorldConfig(users=2000, slate=2)
WITHOUT_A_MODEL = ("IPS", "clipped IPS", "SNIPS")


@dataclass(frozen=True)
class Pair:
    """The logging policy and the evaluated one."""

    logging: Policy
    evaluated: Policy
    slate: int = 1


PAIRS = {
    "half the exploration of the log": Pair(EpsilonGreedy(0.4), EpsilonGreedy(0.2)),
    "another kind of policy": Pair(EpsilonGreedy(0.5), Thompson(32, floor=0.1)),
    "slates of two": Pair(EpsilonGreedy(0.4), EpsilonGreedy(0.2), slate=2),
}
CAPTION = f"""{REPEATS} logs of {SLATES} visits, sampled from one day of the world; the true
value of the evaluated policy, clicks for each position, is a closed form. *Coverage*: the share
of the logs whose 95 % interval includes it; the target is 95 % ± 3 %, for the Bernstein bound
at least 95 %. The model is the belief after {DAYS} days in the world. It is not the truth, so
DM is biased by design, its interval shows its variance only, and it has no target: no gate
reads DM. Clipping biases towards 0. Slates are drawn whole; their weights are those of the
slate so far. With 1,500 visits coverage was 90 to 94 %."""


@dataclass(frozen=True)
class Day:
    """Data shared by all repeats."""

    requests: Requests
    belief: AdditiveBelief
    examination_K: FloatArray


def measure(settings: Settings) -> dict[str, Any]:
    day = _day(settings.seed)
    return {
        name: _pair(day, pair, [settings.seed, number])
        for number, (name, pair) in enumerate(PAIRS.items())
    }


def _day(seed: int) -> Day:
    loop = Loop(CONFIG, seed, AdditiveConfig())
    for _ in range(DAYS):
        loop.day(fixed(EpsilonGreedy(0.2)))
    requests = loop.world.requests()
    return Day(requests, loop.belief(requests)[0], loop.world.examination_K)


def _pair(day: Day, pair: Pair, seed: list[int]) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    present_BC = np.ones(day.requests.items_BC.shape, bool)
    logging, evaluated = (
        policy.action_scores(day.belief, present_BC, random)
        for policy in (pair.logging, pair.evaluated)
    )
    chances = _chances(evaluated, pair.slate)
    truth = _value(day, chances)
    ratios = zip(chances, _chances(logging, pair.slate), strict=True)
    largest = max(float((one[one > 0] / other[one > 0]).max()) for one, other in ratios)
    logs = [_log(day, logging, evaluated, pair.slate, random) for _ in range(REPEATS)]
    found = [
        estimates(log, repeat, clip=CLIP, largest_weight=largest, resamples=RESAMPLES)
        for repeat, log in enumerate(logs)
    ]
    return {
        "truth": truth,
        "largest_weight": largest,
        "effective_share": float(np.mean([log.effective_size / len(log.reward_N) for log in logs])),
        "estimates": {
            name: _agreement([one[name] for one in found], truth)
            for name in (WITHOUT_A_MODEL if pair.slate > 1 else found[0])
        },
    }


def _agreement(found: list[Estimate], truth: float) -> dict[str, Any]:
    values = [one.value for one in found]
    bounds = [(one.bound_low, one.bound_high) for one in found]
    bounded = [low <= truth <= high for low, high in bounds if low is not None and high is not None]
    return {
        "mean": float(np.mean(values)),
        "deviation": float(np.std(values)),
        "within": float(np.mean([one.low <= truth <= one.high for one in found])),
        "bounded": float(np.mean(bounded)) if bounded else None,
    }


def _chances(scores: ActionScores, slate: int) -> list[FloatArray]:
    """probability_BC of the first action and, for slates of two, probability_BCC of both."""
    first_BC = action_probabilities(scores)
    if slate == 1:
        return [first_BC]
    second = [
        action_probabilities(without_action(scores, action)) for action in range(first_BC.shape[1])
    ]
    return [first_BC, first_BC[:, :, None] * np.stack(second, axis=1)]


def _value(day: Day, chances: list[FloatArray]) -> float:
    """The true clicks for each position, over all requests of the day."""
    appeal_BC = day.requests.appeal_BC
    clicks = (chances[0] * appeal_BC).sum(axis=1).mean()
    if len(chances) > 1:
        clicks += day.examination_K[1] * (chances[1].sum(axis=1) * appeal_BC).sum(axis=1).mean()
    return float(clicks / len(chances))


def _log(
    day: Day,
    logging: ActionScores,
    evaluated: ActionScores,
    slate: int,
    random: np.random.Generator,
) -> Logged:
    """Slates of requests sampled from the day with replacement."""
    rows_S = random.integers(0, len(day.requests.users_B), SLATES)
    shown, target = (
        ActionScores(
            one.scores_BVC[rows_S], one.weights_BV[rows_S], one.uniform_B[rows_S], present_SC
        )
        for one in (logging, evaluated)
        for present_SC in [one.present_BC[rows_S]]
    )
    slates = draw_slates(shown, slate, random)
    actions_SK = slates.actions_BK
    probability_SK = slate_propensities(target, actions_SK)
    appeal_SK = np.take_along_axis(day.requests.appeal_BC[rows_S], actions_SK, axis=1)
    reward_SK = random.random(appeal_SK.shape) < appeal_SK * day.examination_K[:slate]
    predicted_SC = day.belief.mean_BC[rows_S].clip(0, 1)
    predicted_SK = np.take_along_axis(predicted_SC, actions_SK, axis=1)
    value_S = (action_probabilities(target) * predicted_SC).sum(axis=1)
    return logged(
        reward_SK.ravel() * 1.0,
        np.cumprod(slates.propensities_BK, axis=1).ravel(),
        np.cumprod(probability_SK, axis=1).ravel(),
        predicted_SK.ravel(),
        np.repeat(value_S, slate),
        np.repeat(np.arange(SLATES), slate),
    )


def page(figures: dict[str, Any]) -> str:
    parts = [CAPTION]
    for name, found in figures.items():
        rows = [
            [
                estimator,
                f"{one['mean']:.4f}",
                f"{one['deviation']:.4f}",
                f"{100 * one['within']:.1f} %",
                "" if one["bounded"] is None else f"{100 * one['bounded']:.1f} %",
            ]
            for estimator, one in found["estimates"].items()
        ]
        head = ["estimator", "mean of the logs", "standard deviation", "bootstrap coverage"]
        parts += [
            f"**{name}**: true value {found['truth']:.4f}, largest weight "
            f"{found['largest_weight']:.1f}, effective share of the rows "
            f"{found['effective_share']:.2f}",
            grid([*head, "Bernstein coverage"], rows),
        ]
    return "\n\n".join(parts)
