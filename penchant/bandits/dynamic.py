"""How much to explore, for this user and now.

A fixed share of exploration wastes picks on users who are well known and spends too few on those
who are not. Here the share follows three signals, each from 0 to 1:

- *uncertainty*: how little is known of the user's interests, as a share of what was unknown
  before anything was;
- *novelty*: the share of the candidates that have hardly been shown to anybody;
- *fatigue*: how much of what would be shown now has been shown too often.

share = floor + (ceiling - floor) * sigmoid(base + weights · signals)

A signal's weight may be negative: then it calls for what is safe. What is explored is drawn from
the posterior and spares what tires: a myopic choice shows the same kind again until the user
leaves.
"""

from dataclasses import dataclass

import numpy as np

from penchant.bandits.logistic import sigmoid
from penchant.bandits.policies import check_share
from penchant.bandits.posterior import Belief
from penchant.bandits.slates import ActionScores, BoolArray, FloatArray
from penchant.errors import UsageError


@dataclass(frozen=True)
class Signals:
    """Of each request, in [0, 1]; ``tired_BC``: of each candidate, 0 for what is fresh and 1 for
    what has been shown as often as tires."""

    uncertainty_B: FloatArray
    novelty_B: FloatArray
    fatigue_B: FloatArray
    tired_BC: FloatArray


@dataclass(frozen=True)
class TradeOff:
    """The share of exploration as a function of the signals.

    ``floor`` of it is uniform, so that whatever is shown can be judged for any other policy. The
    rest is by posterior draws: ``draws`` of them stand for the posterior, their deviation from the
    mean is scaled by ``spread`` (Agrawal & Goyal 2013 scale it up; in practice less than 1 pays),
    and a candidate is set back by ``rest``, in units of the score, for each unit that it tires.
    """

    floor: float = 0.01
    ceiling: float = 1.0
    base: float = -4.0
    uncertainty: float = 4.0
    novelty: float = 1.0
    fatigue: float = 10.0
    draws: int = 16
    spread: float = 0.2
    rest: float = 0.32

    def __post_init__(self) -> None:
        check_share("floor", self.floor)
        check_share("ceiling", self.ceiling)
        if self.floor > self.ceiling:
            raise UsageError(
                f"the floor {self.floor} of exploration is above its ceiling {self.ceiling}",
                "give a floor that is at most the ceiling",
            )

    def shares(self, signals: Signals) -> FloatArray:
        """share_B in [floor, ceiling]."""
        pull_B = (
            self.base
            + self.uncertainty * signals.uncertainty_B
            + self.novelty * signals.novelty_B
            + self.fatigue * signals.fatigue_B
        )
        return self.floor + (self.ceiling - self.floor) * sigmoid(pull_B)


@dataclass(frozen=True)
class Dynamic:
    """The policy of a trade-off for requests with these signals: the best by the mean, save for the
    share, in which each candidate comes as often as it is the best of a posterior draw."""

    trade_off: TradeOff
    signals: Signals

    def votes(
        self, belief: Belief, present_BC: BoolArray, random: np.random.Generator
    ) -> ActionScores:
        trade_off = self.trade_off
        share_B = trade_off.shares(self.signals)
        floor, draws = trade_off.floor, trade_off.draws
        mean_B1C = belief.mean_BC[:, None]
        explored_BVC = mean_B1C + trade_off.spread * (belief.draws(draws, random) - mean_B1C)
        explored_BVC -= trade_off.rest * self.signals.tired_BC[:, None]
        scores_BVC = np.concatenate([mean_B1C, explored_BVC], axis=1)
        drawn_B = (share_B - floor) / max(1 - floor, np.finfo(float).tiny)  # of what is not uniform
        weights_BV = np.repeat(drawn_B[:, None] / draws, draws + 1, axis=1)
        weights_BV[:, 0] = 1 - drawn_B
        return ActionScores(scores_BVC, weights_BV, np.full(len(share_B), floor), present_BC)
