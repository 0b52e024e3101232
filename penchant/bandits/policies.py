"""Policies: action scores from a posterior of the candidates' scores.

All explore a little uniformly (``floor``): every candidate then has a positive propensity, and the
log supports off-policy evaluation of any other policy.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from penchant.bandits.posterior import ArmPosterior, ScorePosterior
from penchant.bandits.slates import ActionScores, BoolArray, FloatArray, Slates
from penchant.errors import UsageError


class Policy(Protocol):
    """Turns a posterior into action scores; seeded by ``random`` single_scorer."""

    def action_scores(
        self, posterior: ScorePosterior, present_BC: BoolArray, random: np.random.Generator
    ) -> ActionScores:
        """Scores of the candidates that are present, for every request."""


@dataclass(frozen=True)
class EpsilonGreedy:
    """The largest mean; with probability ``epsilon`` a uniform action. 0 only exploits."""

    epsilon: float = 0.1

    def __post_init__(self) -> None:
        check_share("epsilon", self.epsilon)

    def action_scores(
        self, posterior: ScorePosterior, present_BC: BoolArray, random: np.random.Generator
    ) -> ActionScores:
        return single_scorer(posterior.mean_BC, self.epsilon, present_BC)


@dataclass(frozen=True)
class UpperConfidence:
    """The largest mean plus ``width`` standard deviations: LinUCB (Li et al. 2010, Algorithm 1)."""

    width: float = 1.0
    floor: float = 0.01

    def __post_init__(self) -> None:
        check_share("floor", self.floor)

    def action_scores(
        self, posterior: ScorePosterior, present_BC: BoolArray, random: np.random.Generator
    ) -> ActionScores:
        ucb_BC = posterior.mean_BC + self.width * posterior.deviation_BC
        return single_scorer(ucb_BC, self.floor, present_BC)

    def single_actions(self, posterior: ArmPosterior, random: np.random.Generator) -> Slates:
        """Slates of one action where every arm is a candidate: distributed as slates drawn from
        ``action_scores``, with less work for many requests."""
        best_B = posterior.highest_ucb(self.width)
        arms = len(posterior.weights.mean_AD)
        actions_B = best_B
        if self.floor:
            uniform_B = random.random(len(best_B)) < self.floor
            actions_B = np.where(uniform_B, random.integers(0, arms, len(best_B)), best_B)
        propensity_B = self.floor / arms + (1 - self.floor) * (actions_B == best_B)
        return Slates(actions_B[:, None], propensity_B[:, None])


@dataclass(frozen=True)
class Thompson:
    """Each candidate as often as it is the best of a posterior draw (Chapelle & Li 2011).

    ``draws``: posterior draws of one decision; propensities are exact given the draws.
    """

    draws: int = 32
    floor: float = 0.01

    def __post_init__(self) -> None:
        check_share("floor", self.floor)

    def action_scores(
        self, posterior: ScorePosterior, present_BC: BoolArray, random: np.random.Generator
    ) -> ActionScores:
        scores_BVC = posterior.draws(self.draws, random)
        equal_BV = np.full(scores_BVC.shape[:2], 1 / self.draws)
        return ActionScores(scores_BVC, equal_BV, np.full(len(scores_BVC), self.floor), present_BC)


def single_scorer(scores_BC: FloatArray, uniform: float, present_BC: BoolArray) -> ActionScores:
    """The action scores of a single scorer."""
    rows = len(scores_BC)
    return ActionScores(scores_BC[:, None], np.ones((rows, 1)), np.full(rows, uniform), present_BC)


def check_share(name: str, share: float) -> None:
    """Raise UsageError for a number outside [0, 1]."""
    if not 0 <= share <= 1:
        raise UsageError(f"{name}: must be from 0 to 1, got {share}", f"fix {name}")
