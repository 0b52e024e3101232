"""A policy that was learned from a log: what it believes of clicks, and how it chooses.

Learning makes one, serving reads it back from plain arrays and a few words, and both ask it alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from penchant.bandits.context_features import NAMES, SMOOTHING, Asked, features
from penchant.bandits.dynamic import Dynamic, Signals, TradeOff
from penchant.bandits.logistic import LogisticPosterior, sigmoid
from penchant.bandits.policies import EpsilonGreedy, Policy, Thompson, UpperConfidence
from penchant.bandits.posterior import LinearPosterior, OfCandidates
from penchant.bandits.slates import ActionScores, FloatArray
from penchant.errors import DataError

Kind = Literal["dynamic", "thompson", "linucb", "epsilon greedy"]
BeliefKind = Literal["logistic", "linear"]
NOISE = 0.5  # the most that a click can deviate
EVIDENCE = 20.0  # events after which a user's interests are half as unknown as before any, squared
TIRED = 4.0  # times that a category was shown of late: what tires
LOOKED_AT = 4  # candidates: the best of them are what would be shown now


@dataclass(frozen=True)
class Choosing:
    """How a policy believes and chooses. ``floor``: the share of picks that are any candidate, so
    that the next log can judge the next policy. ``ceiling``: of dynamic, the most that it explores;
    ``rest``: of dynamic, by how much of the score what tires is set back. ``width``: of linucb.
    ``draws``: of thompson and dynamic. ``precision``: of each weight's prior."""

    belief: BeliefKind = "logistic"
    policy: Kind = "dynamic"
    floor: float = 0.05
    ceiling: float = 0.5
    rest: float = 0.5
    width: float = 1.0
    draws: int = 32
    precision: float = 1.0


@dataclass(frozen=True)
class LearnedPolicy:
    """``posterior``: of one arm, over the features of facts.py."""

    choosing: Choosing
    posterior: LogisticPosterior | LinearPosterior

    @classmethod
    def before(cls, choosing: Choosing) -> "LearnedPolicy":
        """Nothing is learned yet."""
        if choosing.belief == "logistic":
            prior: LogisticPosterior | LinearPosterior = LogisticPosterior.prior(
                1, len(NAMES), choosing.precision
            )
        else:
            prior = LinearPosterior.prior(1, len(NAMES), choosing.precision, NOISE)
        return cls(choosing, prior)

    def learned(self, features_ND: FloatArray, clicked_N: FloatArray) -> "LearnedPolicy":
        """After these picks too."""
        return LearnedPolicy(self.choosing, self.posterior.updated(features_ND, clicked_N))

    def state(self) -> dict[str, FloatArray]:
        return self.posterior.state()

    @classmethod
    def of_state(cls, choosing: Choosing, state: Mapping[str, FloatArray]) -> "LearnedPolicy":
        kind = LogisticPosterior if choosing.belief == "logistic" else LinearPosterior
        return cls(choosing, kind.of_state(state))

    @classmethod
    def read(cls, described: Mapping[str, Any], state: Mapping[str, FloatArray]) -> "LearnedPolicy":
        """From ``policy.json`` and the arrays beside it. Raises DataError for what this code does
        not know how to ask."""
        if tuple(described.get("features", ())) != NAMES:
            raise DataError(
                f"the policy was learned on the features {described.get('features')}, "
                f"and what is known now is {list(NAMES)}",
                "`penchant train --family bandit` again, then `penchant evaluate-policy`",
            )
        if described.get("policy") not in get_args(Kind):
            raise DataError(
                f"no policy is called {described.get('policy')!r}",
                f"it is one of {', '.join(get_args(Kind))}",
            )
        names = Choosing.__dataclass_fields__
        return cls.of_state(Choosing(**{name: described[name] for name in names}), state)

    def votes(self, asked: Asked, random: np.random.Generator) -> ActionScores:
        """Who votes for which candidate. A candidate is the same wherever it would stand: what a
        position adds is the same for all."""
        features_BCD = features(asked)
        features_BCD[:, :, NAMES.index("position")] = 0.0
        belief = self.posterior.of_candidates(features_BCD)
        return self._policy(belief, asked).votes(belief, asked.present_BC, random)

    def expected(self, asked: Asked) -> FloatArray:
        """clicks_BC that each candidate is expected to get where it would be shown."""
        scores_BC = self.posterior.of_candidates(features(asked)).mean_BC
        if self.choosing.belief == "logistic":
            return sigmoid(scores_BC)
        return scores_BC.clip(0, 1)

    def exploration(self, asked: Asked) -> FloatArray:
        """share_B of picks that explore, where it is set by request; else the floor."""
        choosing = self.choosing
        if choosing.policy != "dynamic":
            return np.full(len(asked.positions_B), choosing.floor)
        belief = self.posterior.of_candidates(features(asked))
        return self._trade_off().shares(signals(belief, asked))

    def _policy(self, belief: OfCandidates, asked: Asked) -> Policy:
        choosing = self.choosing
        if choosing.policy == "dynamic":
            return Dynamic(self._trade_off(), signals(belief, asked))
        if choosing.policy == "thompson":
            return Thompson(choosing.draws, choosing.floor)
        if choosing.policy == "linucb":
            return UpperConfidence(choosing.width, choosing.floor)
        return EpsilonGreedy(choosing.floor)

    def _trade_off(self) -> TradeOff:
        choosing = self.choosing
        return TradeOff(
            floor=choosing.floor,
            ceiling=max(choosing.floor, choosing.ceiling),
            draws=choosing.draws,
            rest=choosing.rest,
        )


def signals(belief: OfCandidates, asked: Asked) -> Signals:
    """What a dynamic trade-off looks at: how little the user's interests are known, how many of
    the candidates have hardly been shown to anybody, how much the best of them tire."""
    present_BC = asked.present_BC
    left_B = np.maximum(present_BC.sum(axis=1), 1)
    tired_BC = np.minimum(asked.seen_BC / TIRED, 2.0) * present_BC
    score_BC = np.where(present_BC, belief.mean_BC, -np.inf)
    most = min(LOOKED_AT, score_BC.shape[1])
    best_BK = np.argpartition(-score_BC, most - 1, axis=1)[:, :most]
    fatigue_B = np.take_along_axis(tired_BC, best_BK, axis=1).mean(axis=1)
    return Signals(
        uncertainty_B=np.sqrt(EVIDENCE / (EVIDENCE + asked.events_B)),
        novelty_B=((asked.shown_BC < SMOOTHING) & present_BC).sum(axis=1) / left_B,
        fatigue_B=fatigue_B.clip(0, 1),
        tired_BC=tired_BC,
    )
