"""Bayesian logistic regression of clicks by Laplace's approximation, one posterior per arm.

The posterior after a batch is the Gaussian at its mode whose precision is the curvature there; it
is the next batch's prior (Chapelle & Li 2011, An Empirical Evaluation of Thompson Sampling,
Algorithm 3; they keep the diagonal of the precision, this keeps all of it). The mode is found by
Newton's method, halving a step that increases the loss.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from penchant.bandits.posterior import (
    ArmPosterior,
    CandidatePosterior,
    WeightPosterior,
    by_arm,
    check_rows,
)
from penchant.bandits.slates import FloatArray, IntArray
from penchant.errors import DataError, PenchantError

MAX_STEPS = 50
TOLERANCE = 1e-8  # of the gradient's largest entry, for each row and the prior
MIN_STEP = 2.0**-20


@dataclass(frozen=True)
class LogisticPosterior:
    """``precision_ADD`` and ``weights`` (mode and covariance) after updates. Scores are logits;
    ``sigmoid`` gives the probability."""

    precision_ADD: FloatArray
    weights: WeightPosterior

    @classmethod
    def prior(
        cls, arms: int, dimensions: int, precision: float = 1.0, mean_D: FloatArray | None = None
    ) -> "LogisticPosterior":
        """The prior. ``precision``: one over each weight's prior variance."""
        mean_D = np.zeros(dimensions) if mean_D is None else mean_D
        eye_ADD = np.tile(np.eye(dimensions), (arms, 1, 1))
        return cls(
            precision * eye_ADD, WeightPosterior(np.tile(mean_D, (arms, 1)), eye_ADD / precision)
        )

    @classmethod
    def from_state(cls, state: Mapping[str, FloatArray]) -> "LogisticPosterior":
        """The posterior that ``state`` was taken from."""
        covariance_ADD = np.linalg.inv(state["precision_ADD"]).astype(np.float64)
        return cls(state["precision_ADD"], WeightPosterior(state["mean_AD"], covariance_ADD))

    def state(self) -> dict[str, FloatArray]:
        """All of it as plain arrays."""
        return {"precision_ADD": self.precision_ADD, "mean_AD": self.weights.mean_AD}

    def updated(
        self, features_ND: FloatArray, clicks_N: FloatArray, arms_N: IntArray | None = None
    ) -> "LogisticPosterior":
        """Update with a batch; ``clicks_N`` are 0 or 1. Raises DataError for other values."""
        check_rows(features_ND, clicks_N)
        if ((clicks_N != 0) & (clicks_N != 1)).any():
            raise DataError(
                "logistic posterior: rewards must be 0 or 1",
                "train on clicks, or use the linear posterior for other rewards",
            )
        precision_ADD = self.precision_ADD.copy()
        mean_AD = self.weights.mean_AD.copy()
        covariance_ADD = self.weights.covariance_ADD.copy()
        order_N, parts = by_arm(arms_N, len(clicks_N))
        features_ND, clicks_N = features_ND[order_N], clicks_N[order_N]
        for arm, part in parts:
            mean_AD[arm], precision_ADD[arm] = _mode(
                mean_AD[arm], precision_ADD[arm], features_ND[part], clicks_N[part]
            )
            covariance_ADD[arm] = np.linalg.inv(precision_ADD[arm])
        return replace(
            self, precision_ADD=precision_ADD, weights=WeightPosterior(mean_AD, covariance_ADD)
        )

    def for_candidates(
        self, features_BCD: FloatArray, arms_B: IntArray | None = None
    ) -> CandidatePosterior:
        """``arms_B``: the arm of each request; arm 0 by default."""
        arms_B = np.zeros(len(features_BCD), np.int64) if arms_B is None else arms_B
        return CandidatePosterior(self.weights, features_BCD, arms_B)

    def for_arms(self, context_BD: FloatArray) -> ArmPosterior:
        return ArmPosterior(self.weights, context_BD)


def sigmoid(logits: FloatArray) -> FloatArray:
    return 0.5 * (1 + np.tanh(0.5 * logits))


def _mode(
    mean_D: FloatArray, precision_DD: FloatArray, features_ND: FloatArray, clicks_N: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The posterior's mode, and its curvature there."""
    weights_D = mean_D
    loss = _loss(weights_D, mean_D, precision_DD, features_ND, clicks_N)
    for _ in range(MAX_STEPS):
        probability_N = sigmoid(features_ND @ weights_D)
        gradient_D = precision_DD @ (weights_D - mean_D) + features_ND.T @ (
            probability_N - clicks_N
        )
        curvature_N = probability_N * (1 - probability_N)
        curvature_DD = precision_DD + (features_ND * curvature_N[:, None]).T @ features_ND
        if np.abs(gradient_D).max() <= TOLERANCE * (len(clicks_N) + 1):
            return weights_D, curvature_DD
        direction_D = np.linalg.solve(curvature_DD, gradient_D)
        step = 1.0
        while True:
            tried_D = weights_D - step * direction_D
            reached = _loss(tried_D, mean_D, precision_DD, features_ND, clicks_N)
            if reached <= loss or step < MIN_STEP:
                break
            step /= 2
        weights_D, loss = tried_D, reached
    raise PenchantError(
        f"logistic posterior: no convergence in {MAX_STEPS} steps",
        "scale the features to about 1, or raise the prior's precision",
    )


def _loss(
    weights_D: FloatArray,
    mean_D: FloatArray,
    precision_DD: FloatArray,
    features_ND: FloatArray,
    clicks_N: FloatArray,
) -> float:
    away_D, logits_N = weights_D - mean_D, features_ND @ weights_D
    fit = np.logaddexp(0, logits_N).sum() - logits_N @ clicks_N
    return float(0.5 * away_D @ precision_DD @ away_D + fit)
