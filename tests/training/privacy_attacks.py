"""Attacks on mechanisms: does what they release tell whether one user was in the data?

``lower_bound``: an epsilon that a mechanism exceeds with 95 % confidence, from what it releases
with and without a canary, a user made to be seen (Jagielski et al. 2020, "Auditing Differentially
Private Machine Learning"). Canaries who don't share a coordinate of the release are independent
trials of one run.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

Scores = npt.NDArray[np.float64]

CONFIDENCE = 0.95


def lower_bound(present_T: Scores, absent_T: Scores, delta: float) -> float:
    """A lower bound on epsilon from an attacker's scores, higher where the canary seems present.

    half of the trials choose the threshold, the other half evaluate it.
    """
    half = len(present_T) // 2
    chosen = present_T[:half], absent_T[:half]
    thresholds = np.quantile(np.concatenate(chosen), np.linspace(0.01, 0.99, 50))
    threshold = max(thresholds, key=lambda at: _bound_at(*chosen, at, delta))
    return max(0.0, _bound_at(present_T[half:], absent_T[half:], threshold, delta))


def _bound_at(present_T: Scores, absent_T: Scores, threshold: float, delta: float) -> float:
    found, false = (int((scores_T >= threshold).sum()) for scores_T in (present_T, absent_T))
    count = len(present_T)
    above = _bound(_at_least(found, count), _at_most(false, count), delta)
    below = _bound(_at_least(count - false, count), _at_most(count - found, count), delta)
    return max(above, below)


def _bound(true_rate: float, false_rate: float, delta: float) -> float:
    return math.log(max(true_rate - delta, 1e-12) / false_rate)


def _at_least(successes: int, trials: int) -> float:
    """Clopper and Pearson; two bounds are used together."""
    risk = (1 - CONFIDENCE) / 2
    return float(beta.ppf(risk, successes, trials - successes + 1)) if successes else 0.0


def _at_most(successes: int, trials: int) -> float:
    return 1 - _at_least(trials - successes, trials)
