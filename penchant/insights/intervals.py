"""The 95 % bootstrap interval of a mean."""

import numpy as np
import numpy.typing as npt

from penchant.artifacts.record import Interval

RESAMPLES = 300


def mean_interval(values_N: npt.NDArray[np.float64]) -> Interval:
    """Over the rows, which are users, items or queries. ``values_N`` has at least one."""
    random = np.random.default_rng(0)
    means = random.choice(values_N, (RESAMPLES, len(values_N))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": float(values_N.mean()), "low": float(low), "high": float(high)}
