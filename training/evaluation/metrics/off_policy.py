"""Off-policy estimators: the value of a policy from the log of another one.

A row is one logged action: its reward, its probability under the logging policy (the propensity)
and under the evaluated policy. With w their ratio and q a model's predicted reward, the estimators
are means over rows of

    IPS         w r                                         (Horvitz & Thompson 1952)
    clipped     min(w, c) r                                 (Bottou et al. 2013, section 4.3)
    SNIPS       w r over the mean of w                      (Swaminathan & Joachims 2015)
    DM          v, the policy's mean of q over candidates
    DR          v + w (r - q)                               (Dudik et al. 2011)
    switch-DR   v + w (r - q) where w <= c, else v          (Wang et al. 2017, section 3)

Rows of one slate or one user are not independent: ``units_N`` are the units of resampling.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from penchant.bandits.slates import FloatArray, IntArray
from penchant.errors import DataError
from training.data.policy_log import check_propensities
from training.evaluation.metrics.intervals import RESAMPLES, ratio, resampled_means

CONFIDENCE = 0.95
NORMAL = NormalDist()
Reach = tuple[float, float] | None
THRESHOLDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0)


@dataclass(frozen=True)
class Logged:
    """``reward_N``, ``propensity_N`` in (0, 1], ``probability_N`` in [0, 1] of the evaluated
    policy. ``predicted_N``: the model's reward of the logged action, ``value_N`` its mean under
    the evaluated policy; both are 0 without a model. ``units_N``: any labels."""

    reward_N: FloatArray
    propensity_N: FloatArray
    probability_N: FloatArray
    predicted_N: FloatArray
    value_N: FloatArray
    units_N: IntArray

    @property
    def weight_N(self) -> FloatArray:
        return self.probability_N / self.propensity_N

    @property
    def effective_size(self) -> float:
        """Effective sample size of the weights (Kong 1992)."""
        weight_N = self.weight_N
        return float(weight_N.sum() ** 2 / max((weight_N**2).sum(), np.finfo(float).tiny))


@dataclass(frozen=True)
class Estimate:
    """A policy's value for each row. ``low`` and ``high``: bootstrap, corrected for skew.
    ``bound_*``: empirical Bernstein, None where the estimator is no mean of bounded terms."""

    value: float
    low: float
    high: float
    bound_low: float | None
    bound_high: float | None


def logged(
    reward_N: FloatArray,
    propensity_N: FloatArray,
    probability_N: FloatArray,
    predicted_N: FloatArray | None = None,
    value_N: FloatArray | None = None,
    units_N: IntArray | None = None,
) -> Logged:
    """A checked log. Raises DataError for rewards that aren't numbers, for propensities that can't
    be, for a policy that showed what it could not, and where nothing that the evaluated policy does
    is in the log."""
    rows = len(reward_N)
    nothing = np.zeros(rows)
    if rows == 0:
        raise DataError("the log has no row", "log impressions with their propensities first")
    _check_finite("reward", reward_N)
    _check_finite("propensity", propensity_N)
    check_propensities(propensity_N)
    _check_finite("probability of the evaluated policy", probability_N)
    impossible = int(((probability_N < 0) | (probability_N > 1 + 1e-9)).sum())
    if impossible:
        raise DataError(
            f"{impossible} probabilities of the evaluated policy are outside [0, 1]",
            "fix the policy",
        )
    if not probability_N.any():
        raise DataError(
            f"no support: the evaluated policy has probability 0 for all {rows} logged actions",
            "log with a policy that explores more, or evaluate a more similar policy",
        )
    return Logged(
        reward_N.astype(float),
        propensity_N.astype(float),
        probability_N.astype(float),
        nothing if predicted_N is None else predicted_N,
        nothing if value_N is None else value_N,
        np.arange(rows) if units_N is None else units_N,
    )


def ips(log: Logged, *, clip: float = np.inf) -> FloatArray:
    """terms_N of inverse propensity scoring, clipped where ``clip`` is finite: then biased towards
    0, and for rewards of 0 or more a mean that is too low."""
    return np.asarray(np.minimum(log.weight_N, clip) * log.reward_N, np.float64)


def direct(log: Logged) -> FloatArray:
    """terms_N of the direct method: unbiased only if the model is."""
    return log.value_N


def doubly_robust(log: Logged, *, threshold: float = np.inf) -> FloatArray:
    """terms_N of DR; with a ``threshold``, of switch-DR: the model alone where weights are
    larger."""
    weight_N = np.where(log.weight_N <= threshold, log.weight_N, 0.0)
    return log.value_N + weight_N * (log.reward_N - log.predicted_N)


def switch_threshold(log: Logged, most: float) -> float:
    """The threshold with the least estimated mean squared error (Wang et al. 2017, section 3.1):
    the variance of switch-DR's mean, plus the square of the most that its bias can be. ``most``:
    the largest error of the model that is possible, such as the largest reward."""

    def error(threshold: float) -> float:
        variance = doubly_robust(log, threshold=threshold).var() / len(log.reward_N)
        beyond = np.where(log.weight_N > threshold, log.weight_N, 0).mean()
        return float(variance + (most * beyond) ** 2)

    return min(THRESHOLDS, key=error)


def estimates(
    log: Logged,
    seed: int,
    *,
    clip: float,
    reward_range: tuple[float, float] = (0.0, 1.0),
    largest_weight: float | None = None,
    resamples: int = RESAMPLES,
) -> dict[str, Estimate]:
    """All estimators by name. ``largest_weight``: what no weight can exceed, such as one over the
    logging policy's smallest propensity; the log's own largest where it is not known, and then the
    Bernstein bounds hold only as far as that does."""
    low, high = reward_range
    most, spread = max(abs(low), abs(high)), high - low
    weight = float(log.weight_N.max()) if largest_weight is None else largest_weight
    threshold = switch_threshold(log, spread)
    bounded = min(weight, threshold)
    terms: dict[str, tuple[FloatArray, Reach]] = {
        "IPS": (ips(log), (min(0.0, low * weight), most * weight)),
        "clipped IPS": (ips(log, clip=clip), (min(0.0, low * clip), most * clip)),
        "SNIPS": (ips(log), None),
        "DM": (direct(log), (low, high)),
        "DR": (doubly_robust(log), (low - spread * weight, high + spread * weight)),
        "switch-DR": (
            doubly_robust(log, threshold=threshold),
            (low - spread * bounded, high + spread * bounded),
        ),
    }
    ones_N = np.ones(len(log.reward_N))
    columns = [*(terms_N for terms_N, _ in terms.values()), ones_N, log.weight_N]
    sums_UM = by_unit(columns, log.units_N)
    means_RM = resampled_means(sums_UM, seed, resamples)  # drawing costs most: once for all
    found = {}
    for column, (name, (_, reach)) in enumerate(terms.items()):
        pair = [column, -1 if name == "SNIPS" else -2]
        found[name] = _estimate(sums_UM[:, pair], means_RM[:, pair], reach)
    return found


def by_unit(columns: list[FloatArray], units_N: IntArray) -> FloatArray:
    """sums_UM of each column over the rows of each unit."""
    units, unit_N = np.unique(units_N, return_inverse=True)
    return np.stack(
        [np.bincount(unit_N, each_N, len(units)).astype(np.float64) for each_N in columns], axis=1
    )


def _estimate(sums_U2: FloatArray, means_R2: FloatArray, reach: Reach) -> Estimate:
    """The sum of the terms over that of what they are divided by, with intervals over units.

    ``reach``: the least and the most that a term can be, for the Bernstein bounds; they are given
    where every unit has the same number of rows.
    """
    drawn_R = ratio(means_R2[:, 0], means_R2[:, 1])
    low, high = np.quantile(drawn_R, corrected_levels(drawn_R, sums_U2))
    rows_U = sums_U2[:, 1]
    bounds: tuple[float | None, float | None] = (None, None)
    if reach is not None and (rows_U == rows_U[0]).all() and len(rows_U) > 1:
        bounds = empirical_bernstein(sums_U2[:, 0] / rows_U, *reach)
    over, under = sums_U2.sum(axis=0)
    return Estimate(float(over / under) if under else 0.0, float(low), float(high), *bounds)


def corrected_levels(drawn_R: FloatArray, sums_U2: FloatArray) -> list[float]:
    """The levels of the resampled values that bound an interval (BCa: Efron 1987).

    Values by weights are skewed: many small ones and a few large. The plain percentiles of few rows
    then hold the truth too seldom.
    """
    totals = sums_U2.sum(axis=0)
    if totals[1] == 0 or drawn_R.min() == drawn_R.max():
        return [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    value = totals[0] / totals[1]
    pull_U = sums_U2[:, 0] - value * sums_U2[:, 1]  # of each unit on the ratio
    acceleration = (pull_U**3).sum() / (6 * (pull_U**2).sum() ** 1.5)
    below = (drawn_R < value).mean() + (drawn_R == value).mean() / 2
    bias = NORMAL.inv_cdf(float(np.clip(below, 1 / len(drawn_R), 1 - 1 / len(drawn_R))))
    reach = NORMAL.inv_cdf((1 + CONFIDENCE) / 2)
    ends = (bias - reach, bias + reach)
    return [float(NORMAL.cdf(bias + end / (1 - acceleration * end))) for end in ends]


def empirical_bernstein(
    terms_N: FloatArray, least: float, most: float, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """(low, high) around the mean of independent terms in [least, most], for any distribution.

    Maurer & Pontil 2009, theorem 4, on each side with half of what the confidence leaves.
    """
    count, reach = len(terms_N), most - least
    uncertain = np.log(4 / (1 - confidence))
    variance = terms_N.var(ddof=1)
    margin = np.sqrt(2 * variance * uncertain / count) + 7 * reach * uncertain / (3 * (count - 1))
    mean = terms_N.mean()
    return float(max(least, mean - margin)), float(min(most, mean + margin))


def _check_finite(what: str, values_N: FloatArray) -> None:
    wrong = int((~np.isfinite(values_N)).sum())
    if wrong:
        raise DataError(
            f"{wrong} values of {what} are missing or not finite",
            f"leave out rows without a {what}, or fix where the log comes from",
        )
