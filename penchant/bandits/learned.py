"""A policy learned from the log of impressions: a posterior of clicks and how it selects actions.

Training writes it as JSON and plain arrays; serving reads it back and uses the same code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from penchant.artifacts import PolicyDescription
from penchant.bandits.context_features import (
    FEATURE_NAMES,
    SMOOTHING,
    ContextFeatures,
    feature_matrix,
)
from penchant.bandits.dynamic import Dynamic, ExplorationConfig, Signals
from penchant.bandits.logistic import LogisticPosterior, sigmoid
from penchant.bandits.policies import EpsilonGreedy, Policy, Thompson, UpperConfidence
from penchant.bandits.posterior import CandidatePosterior, LinearPosterior
from penchant.bandits.slates import ActionScores, FloatArray
from penchant.errors import DataError

Kind = Literal["dynamic", "thompson", "linucb", "epsilon greedy"]
ClickModel = Literal["logistic", "linear"]
NOISE = 0.5  # the largest standard deviation of a click
EVIDENCE = 20.0  # events after which the variance of a user's interests is half of the prior's
FATIGUE_IMPRESSIONS = 4.0  # recent impressions of a category that are a fatigue of 1
FATIGUE_CANDIDATES = 4  # best candidates whose fatigue is averaged


@dataclass(frozen=True)
class PolicyConfig:
    """``floor``: the share of uniform actions, so that the log supports evaluation of the next
    policy. ``ceiling``: the largest share of exploration, and ``fatigue_penalty``: subtracted from
    the score per unit of fatigue, both of dynamic. ``width``: of linucb, in standard deviations.
    ``draws``: of thompson and dynamic. ``precision``: of each weight's prior."""

    click_model: ClickModel = "logistic"
    policy: Kind = "dynamic"
    floor: float = 0.05
    ceiling: float = 0.5
    fatigue_penalty: float = 0.5
    width: float = 1.0
    draws: int = 32
    precision: float = 1.0


@dataclass(frozen=True)
class LearnedPolicy:
    """``posterior``: of one arm, over the features of context_features.py."""

    config: PolicyConfig
    posterior: LogisticPosterior | LinearPosterior

    @classmethod
    def untrained(cls, config: PolicyConfig) -> "LearnedPolicy":
        """The policy with the prior."""
        if config.click_model == "logistic":
            prior: LogisticPosterior | LinearPosterior = LogisticPosterior.prior(
                1, len(FEATURE_NAMES), config.precision
            )
        else:
            prior = LinearPosterior.prior(1, len(FEATURE_NAMES), config.precision, NOISE)
        return cls(config, prior)

    def updated(self, features_ND: FloatArray, clicked_N: FloatArray) -> "LearnedPolicy":
        """Update the posterior with logged actions."""
        return LearnedPolicy(self.config, self.posterior.updated(features_ND, clicked_N))

    def state(self) -> dict[str, FloatArray]:
        return self.posterior.state()

    @classmethod
    def from_state(cls, config: PolicyConfig, state: Mapping[str, FloatArray]) -> "LearnedPolicy":
        kind = LogisticPosterior if config.click_model == "logistic" else LinearPosterior
        return cls(config, kind.from_state(state))

    @classmethod
    def read(
        cls, description: PolicyDescription, state: Mapping[str, FloatArray]
    ) -> "LearnedPolicy":
        """The policy of a description and the arrays beside it.

        Raises DataError for other features or another policy than this version has.
        """
        if description.features != FEATURE_NAMES:
            raise DataError(
                f"policy.json: features are {list(description.features)}, this version has "
                f"{list(FEATURE_NAMES)}",
                PolicyDescription.REMEDY,
            )
        config = PolicyConfig(**description.settings)
        if config.policy not in get_args(Kind):
            raise DataError(
                f"policy.json: unknown policy {config.policy!r}",
                f"it must be one of {', '.join(get_args(Kind))}",
            )
        return cls.from_state(config, state)

    def action_scores(self, context: ContextFeatures, random: np.random.Generator) -> ActionScores:
        """Scores of the candidates. The position is left out: it adds the same to all of them."""
        features_BCD = feature_matrix(context)
        features_BCD[:, :, FEATURE_NAMES.index("position")] = 0.0
        posterior = self.posterior.for_candidates(features_BCD)
        return self._policy(posterior, context).action_scores(posterior, context.present_BC, random)

    def expected_clicks(self, context: ContextFeatures) -> FloatArray:
        """clicks_BC: the expected clicks of each candidate at the request's position."""
        scores_BC = self.posterior.for_candidates(feature_matrix(context)).mean_BC
        if self.config.click_model == "logistic":
            return sigmoid(scores_BC)
        return scores_BC.clip(0, 1)

    def exploration_share(self, context: ContextFeatures) -> FloatArray:
        """share_B of exploration: of dynamic by request, else the floor."""
        config = self.config
        if config.policy != "dynamic":
            return np.full(len(context.positions_B), config.floor)
        posterior = self.posterior.for_candidates(feature_matrix(context))
        return self._exploration().shares(signals(posterior, context))

    def _policy(self, posterior: CandidatePosterior, context: ContextFeatures) -> Policy:
        config = self.config
        if config.policy == "dynamic":
            return Dynamic(self._exploration(), signals(posterior, context))
        if config.policy == "thompson":
            return Thompson(config.draws, config.floor)
        if config.policy == "linucb":
            return UpperConfidence(config.width, config.floor)
        return EpsilonGreedy(config.floor)

    def _exploration(self) -> ExplorationConfig:
        config = self.config
        return ExplorationConfig(
            floor=config.floor,
            ceiling=max(config.floor, config.ceiling),
            draws=config.draws,
            fatigue_penalty=config.fatigue_penalty,
        )


def signals(posterior: CandidatePosterior, context: ContextFeatures) -> Signals:
    """The signals of the dynamic policy, from the posterior and the context features."""
    present_BC = context.present_BC
    left_B = np.maximum(present_BC.sum(axis=1), 1)
    fatigue_BC = np.minimum(context.category_shown_BC / FATIGUE_IMPRESSIONS, 2.0) * present_BC
    score_BC = np.where(present_BC, posterior.mean_BC, -np.inf)
    count = min(FATIGUE_CANDIDATES, score_BC.shape[1])
    best_BK = np.argpartition(-score_BC, count - 1, axis=1)[:, :count]
    fatigue_B = np.take_along_axis(fatigue_BC, best_BK, axis=1).mean(axis=1)
    return Signals(
        uncertainty_B=np.sqrt(EVIDENCE / (EVIDENCE + context.events_B)),
        novelty_B=((context.shown_BC < SMOOTHING) & present_BC).sum(axis=1) / left_B,
        fatigue_B=fatigue_B.clip(0, 1),
        candidate_fatigue_BC=fatigue_BC,
    )
