"""Measures of forecasts on held-out weeks.

WAPE is the sum of absolute errors over the sum of pieces. MASE divides a series' error by its own
mean change from week to week (Hyndman and Koehler, 2006). The pinball loss is the mean over the
5 %, 50 % and 95 % quantiles, divided by the mean pieces. Coverage is the share of weeks within the
90 % interval.
"""

from dataclasses import dataclass

import numpy as np

from penchant.artifacts.record import Interval
from penchant.insights.demand.series import Floats

RESAMPLES = 400
LEVELS = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class HeldOut:
    """Held-out weeks of some series, each with its forecast. Rows are (series, origin).

    ``change_R``: mean absolute change from week to week before the origin.
    """

    actual_RH: Floats
    mean_RH: Floats
    low_RH: Floats
    median_RH: Floats
    high_RH: Floats
    change_R: Floats

    def rows(self, chosen_R: np.ndarray) -> "HeldOut":
        return HeldOut(
            self.actual_RH[chosen_R],
            self.mean_RH[chosen_R],
            self.low_RH[chosen_R],
            self.median_RH[chosen_R],
            self.high_RH[chosen_R],
            self.change_R[chosen_R],
        )


def wape(actual_RH: Floats, mean_RH: Floats) -> float:
    """NaN where nothing was sold."""
    sold = actual_RH.sum()
    return float(np.abs(actual_RH - mean_RH).sum() / sold) if sold else float("nan")


def total_wape(actual_RH: Floats, mean_RH: Floats) -> float:
    """WAPE of the sums over the horizon: what restocking is decided by."""
    return wape(actual_RH.sum(axis=1, keepdims=True), mean_RH.sum(axis=1, keepdims=True))


def accuracy(evaluated: HeldOut) -> dict[str, float]:
    """All measures of some rows."""
    actual = evaluated.actual_RH
    errors_R = np.abs(actual - evaluated.mean_RH).mean(axis=1)
    known_R = evaluated.change_R > 0
    quantiles = zip(LEVELS, (evaluated.low_RH, evaluated.median_RH, evaluated.high_RH), strict=True)
    pinball = np.mean([_pinball(actual, quantile, level) for level, quantile in quantiles])
    inside = (actual >= evaluated.low_RH) & (actual <= evaluated.high_RH)
    return {
        "series": float(len(actual)),
        "pieces": float(actual.sum()),
        "wape": wape(actual, evaluated.mean_RH),
        "total_wape": total_wape(actual, evaluated.mean_RH),
        "mase": float((errors_R[known_R] / evaluated.change_R[known_R]).mean())
        if known_R.any()
        else float("nan"),
        "pinball": float(pinball / actual.mean()) if actual.any() else float("nan"),
        "coverage": float(inside.mean()),
    }


def wape_difference(ours: HeldOut, theirs: HeldOut, seed: int = 0) -> Interval:
    """Our 4-week WAPE less theirs, with its 95 % bootstrap interval; below 0 ours is better."""
    actual_R = ours.actual_RH.sum(axis=1)
    error_R, other_R = (np.abs(actual_R - each.mean_RH.sum(axis=1)) for each in (ours, theirs))
    random = np.random.default_rng(seed)
    found = []
    for _ in range(RESAMPLES):
        drawn = random.integers(0, len(actual_R), len(actual_R))
        found.append((error_R[drawn] - other_R[drawn]).sum() / max(actual_R[drawn].sum(), 1e-9))
    low, high = np.quantile(found, [0.025, 0.975])
    mean = (error_R - other_R).sum() / max(actual_R.sum(), 1e-9)
    return {"mean": float(mean), "low": float(low), "high": float(high)}


def _pinball(actual_RH: Floats, quantile_RH: Floats, level: float) -> float:
    """Mean quantile loss (Koenker and Bassett, 1978)."""
    above_RH = actual_RH - quantile_RH
    return float(np.maximum(level * above_RH, (level - 1) * above_RH).mean())
