"""How sure a figure over users is: the bootstrap."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

RESAMPLES = 1000
BLOCK = 100  # resamples drawn at a time: bounds the memory


@dataclass(frozen=True)
class Interval:
    """A mean over users, or another figure of them, and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


def bootstrap(values_U: FloatArray, seed: int, resamples: int = RESAMPLES) -> Interval:
    """The mean of one column of values, with its interval."""
    return intervals(values_U[:, None], seed, resamples)[0]


def intervals(values_UM: FloatArray, seed: int, resamples: int = RESAMPLES) -> list[Interval]:
    """The mean of each column with its 95 % percentile bootstrap interval (Efron 1979); seeded."""
    low_M, high_M = np.quantile(resampled_means(values_UM, seed, resamples), [0.025, 0.975], axis=0)
    rows = zip(values_UM.mean(axis=0), low_M, high_M, strict=True)
    return [Interval(float(mean), float(low), float(high)) for mean, low, high in rows]


def quantiled(values_R: FloatArray) -> Interval:
    """A figure, the first of the values, with the interval of its resamples, the others."""
    low, high = np.quantile(values_R[1:], [0.025, 0.975])
    return Interval(float(values_R[0]), float(low), float(high))


def resampled_means(values_UM: FloatArray, seed: int, resamples: int = RESAMPLES) -> FloatArray:
    """means_RM: each column's mean over users drawn with replacement, again and again.

    Drawing gives each user a count, so a block of resamples is one matrix product, and the draws,
    which cost the most, are shared by all columns. Because they are shared, the resampled mean of a
    paired difference is the difference of two columns here.
    """
    random = np.random.default_rng(seed)
    users = len(values_UM)
    even_U = np.full(users, 1 / users)
    blocks = [
        random.multinomial(users, even_U, size=min(BLOCK, resamples - done)) @ values_UM / users
        for done in range(0, resamples, BLOCK)
    ]
    return np.concatenate(blocks)
