"""The policies: who votes, given what is believed of the candidates.

All explore a little uniformly (``floor``), so that each candidate could have been shown and what is
logged can be judged for any other policy.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from penchant.bandits.posterior import Belief, OfArms
from penchant.bandits.slates import ActionScores, BoolArray, FloatArray, Slates
from penchant.errors import UsageError


class Policy(Protocol):
    """Turns a belief into votes; seeded by ``random`` alone."""

    def votes(
        self, belief: Belief, present_BC: BoolArray, random: np.random.Generator
    ) -> ActionScores:
        """Of the candidates that are present, for every request."""


@dataclass(frozen=True)
class EpsilonGreedy:
    """The best by the mean; any candidate with probability ``epsilon``. 0 exploits only."""

    epsilon: float = 0.1

    def __post_init__(self) -> None:
        check_share("epsilon", self.epsilon)

    def votes(
        self, belief: Belief, present_BC: BoolArray, random: np.random.Generator
    ) -> ActionScores:
        return alone(belief.mean_BC, self.epsilon, present_BC)


@dataclass(frozen=True)
class UpperConfidence:
    """The best by mean plus ``width`` standard deviations: LinUCB (Li et al. 2010, Algorithm 1)."""

    width: float = 1.0
    floor: float = 0.01

    def __post_init__(self) -> None:
        check_share("floor", self.floor)

    def votes(
        self, belief: Belief, present_BC: BoolArray, random: np.random.Generator
    ) -> ActionScores:
        hoped_BC = belief.mean_BC + self.width * belief.deviation_BC
        return alone(hoped_BC, self.floor, present_BC)

    def one(self, belief: OfArms, random: np.random.Generator) -> Slates:
        """Slates of one for requests that may have any arm: what drawing from ``votes`` gives, with
        less work, for many requests at once."""
        best_B = belief.most_hopeful(self.width)
        arms = len(belief.weights.mean_AD)
        picks_B = best_B
        if self.floor:
            by_chance_B = random.random(len(best_B)) < self.floor
            picks_B = np.where(by_chance_B, random.integers(0, arms, len(best_B)), best_B)
        propensity_B = self.floor / arms + (1 - self.floor) * (picks_B == best_B)
        return Slates(picks_B[:, None], propensity_B[:, None])


@dataclass(frozen=True)
class Thompson:
    """Each candidate as often as it is the best of a draw from the posterior (Chapelle & Li 2011).

    ``draws``: how many stand for the posterior in one decision; propensities are exact for them.
    """

    draws: int = 32
    floor: float = 0.01

    def __post_init__(self) -> None:
        check_share("floor", self.floor)

    def votes(
        self, belief: Belief, present_BC: BoolArray, random: np.random.Generator
    ) -> ActionScores:
        scores_BVC = belief.draws(self.draws, random)
        even_BV = np.full(scores_BVC.shape[:2], 1 / self.draws)
        return ActionScores(scores_BVC, even_BV, np.full(len(scores_BVC), self.floor), present_BC)


def alone(scores_BC: FloatArray, uniform: float, present_BC: BoolArray) -> ActionScores:
    """The votes of one voter."""
    rows = len(scores_BC)
    return ActionScores(scores_BC[:, None], np.ones((rows, 1)), np.full(rows, uniform), present_BC)


def check_share(name: str, share: float) -> None:
    """Raise UsageError for what is not a share."""
    if not 0 <= share <= 1:
        raise UsageError(f"{name} is {share}, which is not a share", "give a number from 0 to 1")
