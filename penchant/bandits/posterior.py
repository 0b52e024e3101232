"""Bayesian linear regression of rewards, one posterior an arm, updated in batches.

With features x, reward r ~ N(x·w, noise²) and prior w ~ N(mean, I / precision) the posterior is
Gaussian, with sufficient statistics that add up over rows (Bishop 2006, Pattern Recognition and
Machine Learning, section 3.3):

    precision = prior + sum of x x' / noise²        moment = prior mean's + sum of x r / noise²

An arm is whatever has weights of its own: an item (disjoint LinUCB: Li et al. 2010, section 3.1), a
user, or all rows together (arm 0 of one).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np

from penchant.bandits.slates import BoolArray, FloatArray, IntArray
from penchant.errors import DataError

FEW_ARMS = 1 << 15  # numbers of 16 bits, which numpy sorts by their digits


class ScorePosterior(Protocol):
    """The posterior of the candidates' scores, for B requests."""

    @property
    def mean_BC(self) -> FloatArray:
        """The expected score of each candidate."""

    @property
    def deviation_BC(self) -> FloatArray:
        """Its standard deviation."""

    def draws(self, count: int, random: np.random.Generator) -> FloatArray:
        """scores_BVC: ``count`` joint posterior draws of all candidates' scores."""


@dataclass(frozen=True)
class WeightPosterior:
    """A Gaussian posterior of each arm's weights."""

    mean_AD: FloatArray
    covariance_ADD: FloatArray

    def draws(self, count: int, random: np.random.Generator) -> FloatArray:
        """weights_VAD; arms are independent."""
        factor_ADD = np.linalg.cholesky(self.covariance_ADD)
        normal_VAD = random.standard_normal((count, *self.mean_AD.shape))
        return self.mean_AD + np.einsum("aij,vaj->vai", factor_ADD, normal_VAD, optimize=True)

    @cached_property
    def std_bounds_A2(self) -> FloatArray:
        """Smallest and largest standard deviation of each arm's score, for features of norm 1."""
        variance_A2 = np.linalg.eigvalsh(self.covariance_ADD)[:, [0, -1]]
        return np.sqrt(np.maximum(variance_A2, 0.0))


@dataclass(frozen=True)
class CandidatePosterior:
    """The posterior where a request's arm is known and candidates differ in ``features_BCD``.

    ``arms_B``: the arm of each request. A draw of weights is shared by a request's candidates and
    by all requests of one arm.
    """

    weights: WeightPosterior
    features_BCD: FloatArray
    arms_B: IntArray

    @property
    def mean_BC(self) -> FloatArray:
        mean_BD = self.weights.mean_AD[self.arms_B]
        return np.matmul(self.features_BCD, mean_BD[:, :, None])[:, :, 0]

    @property
    def deviation_BC(self) -> FloatArray:
        if len(self.weights.covariance_ADD) == 1:
            flat_ND = self.features_BCD.reshape(-1, self.features_BCD.shape[2])
            turned_ND = flat_ND @ self.weights.covariance_ADD[0]
            variance = (turned_ND * flat_ND).sum(axis=1).reshape(self.features_BCD.shape[:2])
        else:
            turned_BCD = np.matmul(self.features_BCD, self.weights.covariance_ADD[self.arms_B])
            variance = (turned_BCD * self.features_BCD).sum(axis=2)
        return np.sqrt(variance)

    def draws(self, count: int, random: np.random.Generator) -> FloatArray:
        arms, place_B = np.unique(self.arms_B, return_inverse=True)
        used = WeightPosterior(self.weights.mean_AD[arms], self.weights.covariance_ADD[arms])
        if len(arms) == 1:  # all requests share the draws: one product
            weights_VD = used.draws(count, random)[:, 0]
            return np.swapaxes(self.features_BCD @ weights_VD.T, 1, 2)
        weights_BVD = np.swapaxes(used.draws(count, random), 0, 1)[place_B]
        return np.matmul(weights_BVD, np.swapaxes(self.features_BCD, 1, 2))


@dataclass(frozen=True)
class ArmPosterior:
    """The posterior where every candidate is an arm and requests differ in ``context_BD``."""

    weights: WeightPosterior
    context_BD: FloatArray

    @property
    def mean_BC(self) -> FloatArray:
        return self.context_BD @ self.weights.mean_AD.T

    @property
    def deviation_BC(self) -> FloatArray:
        """One product of the contexts' squares with all covariances, each pair once."""
        first, second, times = _pairs(self.context_BD.shape[1])
        pairs_PA = (self.weights.covariance_ADD[:, first, second] * times).T
        context_DB = np.ascontiguousarray(self.context_BD.T)
        return np.sqrt((context_DB[first] * context_DB[second]).T @ pairs_PA)

    def highest_ucb(self, width: float) -> IntArray:
        """arm_B: the arm with the largest mean plus ``width`` (0 or more) standard deviations.

        Bounds of each upper confidence bound cost one product: the context's norm times the arm's
        smallest and largest standard deviation. Exact standard deviations are computed only for
        requests that the bounds don't decide, and only for the arms that could still win.
        """
        length_B = np.sqrt(np.einsum("bd,bd->b", self.context_BD, self.context_BD))
        std_bounds_A2 = width * self.weights.std_bounds_A2
        mean_AB = self.weights.mean_AD @ self.context_BD.T
        lower_B = (mean_AB + np.multiply.outer(std_bounds_A2[:, 0], length_B)).max(axis=0)
        could_AB = mean_AB + np.multiply.outer(std_bounds_A2[:, 1], length_B) >= lower_B
        arm_B = could_AB.argmax(axis=0)
        open_B = np.flatnonzero(could_AB.view(np.int8).sum(axis=0, dtype=np.int16) > 1)
        if len(open_B):
            arm_B[open_B] = self._exact(open_B, could_AB[:, open_B], width)
        return arm_B

    def _exact(self, rows_R: IntArray, could_AR: BoolArray, width: float) -> IntArray:
        ucb_AR = np.full(could_AR.shape, -np.inf)
        context_RD = self.context_BD[rows_R]
        for arm in np.flatnonzero(could_AR.any(axis=1)):
            those = np.flatnonzero(could_AR[arm])
            own_ND = context_RD[those]
            turned_ND = own_ND @ self.weights.covariance_ADD[arm]
            deviation_N = np.sqrt(np.einsum("nd,nd->n", turned_ND, own_ND))
            ucb_AR[arm, those] = own_ND @ self.weights.mean_AD[arm] + width * deviation_N
        return ucb_AR.argmax(axis=0)

    def draws(self, count: int, random: np.random.Generator) -> FloatArray:
        weights_VAD = self.weights.draws(count, random)
        flat = self.context_BD @ weights_VAD.reshape(-1, weights_VAD.shape[2]).T
        return flat.reshape(len(self.context_BD), count, -1)


@dataclass(frozen=True)
class LinearPosterior:
    """Sufficient statistics ``precision_ADD`` and ``moment_AD`` of the prior and all rows so far.

    ``noise``: a reward's standard deviation around its mean.
    """

    precision_ADD: FloatArray
    moment_AD: FloatArray
    prior_precision: float
    prior_mean_D: FloatArray
    noise: float

    @classmethod
    def prior(
        cls,
        arms: int,
        dimensions: int,
        precision: float = 1.0,
        noise: float = 1.0,
        mean_D: FloatArray | None = None,
    ) -> "LinearPosterior":
        """The prior. ``precision``: one over each weight's prior variance."""
        mean_D = np.zeros(dimensions) if mean_D is None else mean_D
        eye_ADD = np.tile(np.eye(dimensions), (arms, 1, 1))
        mean_AD = np.tile(mean_D, (arms, 1))
        return cls(
            precision * eye_ADD,
            precision * mean_AD,
            precision,
            mean_D,
            noise,
        )

    @classmethod
    def from_state(cls, state: Mapping[str, FloatArray]) -> "LinearPosterior":
        """The posterior that ``state`` was taken from."""
        prior_precision, noise = state["prior"].tolist()
        statistics = (state["precision_ADD"], state["moment_AD"])
        return cls(*statistics, prior_precision, state["prior_mean_D"], noise)

    @cached_property
    def weights(self) -> WeightPosterior:
        """The posterior of the weights, computed on first use."""
        covariance_ADD = np.linalg.inv(self.precision_ADD).astype(np.float64)
        mean_AD = np.matmul(covariance_ADD, self.moment_AD[:, :, None])[:, :, 0]
        return WeightPosterior(mean_AD, covariance_ADD)

    def state(self) -> dict[str, FloatArray]:
        """All of it as plain arrays."""
        return {
            "precision_ADD": self.precision_ADD,
            "moment_AD": self.moment_AD,
            "prior": np.array([self.prior_precision, self.noise]),
            "prior_mean_D": self.prior_mean_D,
        }

    def updated(
        self, features_ND: FloatArray, rewards_N: FloatArray, arms_N: IntArray | None = None
    ) -> "LinearPosterior":
        """Update with rows, in any order. Raises DataError for a value that is not finite."""
        check_rows(features_ND, rewards_N)
        precision_ADD, moment_AD = self.precision_ADD.copy(), self.moment_AD.copy()
        order_N, parts = by_arm(arms_N, len(rewards_N))
        rows_NE = np.concatenate([features_ND, rewards_N[:, None]], axis=1)[order_N] / self.noise
        arms = [arm for arm, _ in parts]
        products_AEE = np.empty((len(parts), rows_NE.shape[1], rows_NE.shape[1]))
        for place, (_, part) in enumerate(parts):
            own_NE = rows_NE[part]
            np.matmul(own_NE.T, own_NE, out=products_AEE[place])
        precision_ADD[arms] += products_AEE[:, :-1, :-1]  # of the features with each other
        moment_AD[arms] += products_AEE[:, -1, :-1]  # and with the reward
        return replace(self, precision_ADD=precision_ADD, moment_AD=moment_AD)

    def discounted(self, share: float) -> "LinearPosterior":
        """Discount the evidence to ``1 - share`` of its weight; the prior keeps its own (Russac et
        al. 2019, Weighted Linear Bandits for Non-Stationary Environments, with their
        regularisation)."""
        keep = 1 - share
        floor_DD = self.prior_precision * np.eye(len(self.prior_mean_D))
        precision_ADD = keep * self.precision_ADD + share * floor_DD
        moment_AD = keep * self.moment_AD + share * self.prior_precision * self.prior_mean_D
        return replace(self, precision_ADD=precision_ADD, moment_AD=moment_AD)

    def for_candidates(
        self, features_BCD: FloatArray, arms_B: IntArray | None = None
    ) -> CandidatePosterior:
        """``arms_B``: the arm of each request; arm 0 by default."""
        arms_B = np.zeros(len(features_BCD), np.int64) if arms_B is None else arms_B
        return CandidatePosterior(self.weights, features_BCD, arms_B)

    def for_arms(self, context_BD: FloatArray) -> ArmPosterior:
        return ArmPosterior(self.weights, context_BD)


@cache
def _pairs(dimensions: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Each pair of dimensions, and how often it is in a square: 2 for two different ones."""
    first, second = np.triu_indices(dimensions)
    return first, second, np.where(first == second, 1.0, 2.0)


def check_rows(features_ND: FloatArray, rewards_N: FloatArray) -> None:
    """Raise DataError for rewards or features that are not finite."""
    for name, values in (("reward", rewards_N), ("feature", features_ND)):
        finite = np.isfinite(values)
        if not finite.all():
            wrong = int((~finite).sum())
            raise DataError(
                f"{wrong} {name} values are not finite numbers",
                f"leave out rows whose {name} is missing, or fix their source",
            )


def by_arm(arms_N: IntArray | None, rows: int) -> tuple[IntArray | slice, list[tuple[int, slice]]]:
    """The order that groups rows by arm, and each arm with its slice of the ordered rows. Without
    ``arms_N`` all rows are of arm 0."""
    if arms_N is None:
        return slice(None), [(0, slice(None))]
    if not rows:
        return slice(None), []
    few = arms_N.max() < FEW_ARMS
    order_N = np.argsort(arms_N.astype(np.int16) if few else arms_N, kind="stable")
    sorted_N = arms_N[order_N]
    starts = [0, *(np.flatnonzero(np.diff(sorted_N)) + 1).tolist(), rows]
    parts = [(int(sorted_N[first]), slice(first, end)) for first, end in pairwise(starts)]
    return order_N, parts
