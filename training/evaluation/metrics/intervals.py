"""95 % bootstrap intervals over users (Efron 1979); every draw is seeded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.data.histories import IntArray

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

Statistic = Callable[[FloatArray], FloatArray]
"""weights_RN, how often each row is in each resample -> figures_RM."""

RESAMPLES = 1000
BLOCK = 100  # resamples drawn at a time: bounds the memory
LEVELS = (0.025, 0.975)


@dataclass(frozen=True)
class Interval:
    """A mean over users, or another statistic, and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


def draws(users: int, seed: int, resamples: int = RESAMPLES) -> Iterator[IntArray]:
    """Blocks of weight_RU: how often each user is in a resample drawn with replacement.

    Counted from drawn users, in a tenth of the time of a multinomial distribution.
    """
    random = np.random.default_rng(seed)
    for done in range(0, resamples, BLOCK):
        count = min(BLOCK, resamples - done)
        drawn_RU = random.integers(users, size=(count, users)) + users * np.arange(count)[:, None]
        yield np.bincount(drawn_RU.ravel(), minlength=count * users).reshape(count, users)


def weights(users: int, seed: int, resamples: int = RESAMPLES) -> FloatArray:
    """weight_RU of all resamples at once, after a first row with each user once.

    The first row gives the statistic itself. The same seed gives the same resamples, so the
    difference of two statistics is paired.
    """
    return np.concatenate([np.ones((1, users)), *draws(users, seed, resamples)])


def bootstrap(values_U: FloatArray, seed: int, resamples: int = RESAMPLES) -> Interval:
    """The mean of one column of values, with its interval."""
    return intervals(values_U[:, None], seed, resamples)[0]


def intervals(values_UM: FloatArray, seed: int, resamples: int = RESAMPLES) -> list[Interval]:
    """The mean of each column with its percentile interval."""
    return _intervals(values_UM.mean(axis=0), resampled_means(values_UM, seed, resamples))


def statistic_intervals(statistic: Statistic, user_N: IntArray, seed: int) -> list[Interval]:
    """Each figure of a statistic over rows, with its interval over resampled users.

    ``user_N``: the user of each row, numbered from 0.
    """
    drawn_RM = np.concatenate(
        [
            statistic(weight_RU[:, user_N].astype(np.float64))
            for weight_RU in draws(int(user_N.max()) + 1, seed)
        ]
    )
    return _intervals(statistic(np.ones((1, len(user_N))))[0], drawn_RM)


def interval_of(values_R: FloatArray) -> Interval:
    """A statistic, the first value, with the interval of its resamples, the other values."""
    return _intervals(values_R[:1], values_R[1:, None])[0]


def resampled_means(values_UM: FloatArray, seed: int, resamples: int = RESAMPLES) -> FloatArray:
    """means_RM: each column's mean over users drawn with replacement.

    A block of resamples is one matrix product, and all columns share the draws, which cost the
    most. So the resampled mean of a paired difference is the difference of two columns.
    """
    users = len(values_UM)
    blocks = [block @ values_UM / users for block in draws(users, seed, resamples)]
    return np.concatenate(blocks)


def ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """part / whole; 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=whole > 0)


def _intervals(mean_M: FloatArray, drawn_RM: FloatArray) -> list[Interval]:
    low_M, high_M = np.quantile(drawn_RM, LEVELS, axis=0)
    rows = zip(mean_M, low_M, high_M, strict=True)
    return [Interval(float(mean), float(low), float(high)) for mean, low, high in rows]
