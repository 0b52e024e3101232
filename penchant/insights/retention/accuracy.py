"""Measures of probabilities and of expected money, with bootstrap intervals over users."""

from collections.abc import Callable

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from penchant.artifacts.record import Interval
from penchant.artifacts.retention import Decile, ReturnAccuracy, ValueAccuracy
from penchant.insights.retention.history import Floats

RESAMPLES = 300
TENTHS = 10
EPSILON = 1e-6


def return_accuracy(returned_U: np.ndarray, probability_U: Floats) -> ReturnAccuracy:
    """Of predictions that the outcome was not known to."""
    came_U = returned_U.astype(np.float64)
    tenths = np.array_split(np.argsort(-probability_U, kind="stable"), TENTHS)
    deciles = tuple(
        Decile(predicted=float(probability_U[rows].mean()), came=_mean(came_U[rows]))
        for rows in tenths
        if len(rows)
    )
    away = 1 - float(came_U.mean())
    sizes = [len(rows) for rows in tenths if len(rows)]
    distances = [abs(each.predicted - each.came["mean"]) for each in deciles]
    return ReturnAccuracy(
        auc=interval(_auc, came_U, probability_U),
        log_loss=interval(log_loss, came_U, probability_U),
        brier=float(np.square(came_U - probability_U).mean()),
        calibration_error=float(np.average(distances, weights=sizes)),
        lift=(1 - deciles[-1].came["mean"]) / max(away, EPSILON),
        deciles=deciles,
    )


def value_accuracy(value_U: Floats, expected_U: Floats) -> ValueAccuracy:
    """Of expected money."""
    best = np.argsort(-expected_U, kind="stable")[: max(1, len(value_U) // TENTHS)]
    total = max(float(value_U.sum()), EPSILON)
    varied = np.ptp(value_U) > 0 and np.ptp(expected_U) > 0
    return ValueAccuracy(
        wape=interval(wape, value_U, expected_U),
        bias=float(expected_U.sum() / total),
        spearman=float(spearmanr(value_U, expected_U).statistic) if varied else 0.0,
        top_decile=float(value_U[best].sum() / total),
    )


def log_loss(came_U: Floats, probability_U: Floats) -> float:
    p_U = np.clip(probability_U, EPSILON, 1 - EPSILON)
    return float(-(came_U * np.log(p_U) + (1 - came_U) * np.log(1 - p_U)).mean())


def interval(
    measure: Callable[[Floats, Floats], float], actual_U: Floats, predicted_U: Floats
) -> Interval:
    """A measure with its 95 % percentile bootstrap interval over users."""
    random = np.random.default_rng(0)
    drawn = [random.integers(0, len(actual_U), len(actual_U)) for _ in range(RESAMPLES)]
    found = [measure(actual_U[rows], predicted_U[rows]) for rows in drawn]
    low, high = np.quantile(found, [0.025, 0.975])
    return {"mean": measure(actual_U, predicted_U), "low": float(low), "high": float(high)}


def _mean(came_U: Floats) -> Interval:
    """A share with Wilson's 95 % interval."""
    n, share, z = len(came_U), float(came_U.mean()), 1.96
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return {"mean": share, "low": float(centre - half), "high": float(centre + half)}


def _auc(came_U: Floats, probability_U: Floats) -> float:
    """One half where only one class came."""
    if came_U.min() == came_U.max():
        return 0.5
    return float(roc_auc_score(came_U, probability_U))


def wape(value_U: Floats, expected_U: Floats) -> float:
    return float(np.abs(value_U - expected_U).sum() / max(float(value_U.sum()), EPSILON))
