"""Novelty of items: what the exploration weight of a ranking adds to their scores."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def novelty_of(popularity_N: FloatArray) -> FloatArray:
    """1 for an item that nobody bought lately, 1 / sqrt(2) at the median of the popular ones, and
    near 0 for the most popular. ``popularity_N``: at least 0."""
    popular = popularity_N[popularity_N > 0]
    typical = float(np.median(popular)) if len(popular) else 1.0
    return 1 / np.sqrt(1 + popularity_N / typical)
