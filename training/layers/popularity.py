"""Recency-decayed popularity, which many families add to their scores."""

import numpy as np

from training.data.histories import Histories, IntArray

SUMS = 1e-6
"""What the order of a sum can change in its 32-bit result, relative to the largest."""
ROUNDING = 1e-13  # what is left of an item that only users had whose events were subtracted


def popularity(
    histories: Histories, half_life_days: float, gone_B: IntArray | None = None
) -> np.ndarray:
    """Share of each item in the decayed weight of all events: float32 over I, sums to 1.

    ``gone_B``: rows of users whose events are subtracted.
    """
    counts_I = _decayed_counts(histories, half_life_days)
    if gone_B is not None:
        counts_I -= _decayed_counts(histories.take(gone_B), half_life_days)
        counts_I[counts_I < counts_I.max(initial=0) * ROUNDING] = 0
    return (counts_I / max(counts_I.sum(), np.finfo(np.float32).tiny)).astype(np.float32)


def _decayed_counts(histories: Histories, half_life_days: float) -> np.ndarray:
    """float64 over I."""
    decayed_N = histories.weights_N * 0.5 ** (histories.ages_N / half_life_days)
    return np.bincount(histories.items_N, decayed_N, minlength=histories.item_count)
