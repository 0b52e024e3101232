"""A policy whose share of exploration depends on the request.

A fixed share explores too much for users with a long history and too little for new users. Here the
share follows three signals, each from 0 to 1:

- *uncertainty*: of the user's interests, relative to the prior;
- *novelty*: the share of the candidates with few impressions;
- *fatigue*: how often the best candidates' categories have been shown to the user recently.

share = floor + (ceiling - floor) * sigmoid(base + weights · signals)

A signal's weight may be negative: the signal then lowers the share. Exploration samples from the
posterior and penalises fatigue, since a myopic policy repeats one category until the user leaves.
"""

from dataclasses import dataclass

import numpy as np

from penchant.bandits.logistic import sigmoid
from penchant.bandits.policies import check_share
from penchant.bandits.posterior import ScorePosterior
from penchant.bandits.slates import ActionScores, BoolArray, FloatArray
from penchant.errors import UsageError


@dataclass(frozen=True)
class Signals:
    """Signals of each request, in [0, 1]. ``candidate_fatigue_BC``: of each candidate; 1 where its
    category has been shown often enough to cause fatigue."""

    uncertainty_B: FloatArray
    novelty_B: FloatArray
    fatigue_B: FloatArray
    candidate_fatigue_BC: FloatArray


@dataclass(frozen=True)
class ExplorationConfig:
    """The share of exploration as a function of the signals.

    ``floor`` of it is uniform, which gives every candidate a positive propensity. The rest is by
    ``draws`` posterior draws. Their deviation from the mean is scaled by ``posterior_scale``
    (Agrawal & Goyal 2013 scale it up; in practice less than 1 works better), and
    ``fatigue_penalty`` (in units of the score) is subtracted per unit of a candidate's fatigue.
    """

    floor: float = 0.01
    ceiling: float = 1.0
    base: float = -4.0
    uncertainty: float = 4.0
    novelty: float = 1.0
    fatigue: float = 10.0
    draws: int = 16
    posterior_scale: float = 0.2
    fatigue_penalty: float = 0.32

    def __post_init__(self) -> None:
        check_share("floor", self.floor)
        check_share("ceiling", self.ceiling)
        if self.floor > self.ceiling:
            raise UsageError(
                f"floor: must be at most the ceiling {self.ceiling}, got {self.floor}",
                "lower the floor of exploration, or raise its ceiling",
            )

    def shares(self, signals: Signals) -> FloatArray:
        """share_B in [floor, ceiling]."""
        logit_B = (
            self.base
            + self.uncertainty * signals.uncertainty_B
            + self.novelty * signals.novelty_B
            + self.fatigue * signals.fatigue_B
        )
        return self.floor + (self.ceiling - self.floor) * sigmoid(logit_B)


@dataclass(frozen=True)
class Dynamic:
    """The largest mean; for the share of exploration, each candidate as often as it is the best of
    a posterior draw."""

    exploration: ExplorationConfig
    signals: Signals

    def action_scores(
        self, posterior: ScorePosterior, present_BC: BoolArray, random: np.random.Generator
    ) -> ActionScores:
        exploration = self.exploration
        share_B = exploration.shares(self.signals)
        floor, draws = exploration.floor, exploration.draws
        mean_B1C = posterior.mean_BC[:, None]
        explored_BVC = mean_B1C + exploration.posterior_scale * (
            posterior.draws(draws, random) - mean_B1C
        )
        explored_BVC -= exploration.fatigue_penalty * self.signals.candidate_fatigue_BC[:, None]
        scores_BVC = np.concatenate([mean_B1C, explored_BVC], axis=1)
        sampled_B = (share_B - floor) / max(
            1 - floor, np.finfo(float).tiny
        )  # of the non-uniform part
        weights_BV = np.repeat(sampled_B[:, None] / draws, draws + 1, axis=1)
        weights_BV[:, 0] = 1 - sampled_B
        return ActionScores(scores_BVC, weights_BV, np.full(len(share_B), floor), present_BC)
