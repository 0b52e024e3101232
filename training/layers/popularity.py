"""Recency-decayed popularity, which many families add to their scores."""

import numpy as np

from training.data.histories import Histories


def popularity(histories: Histories, half_life_days: float) -> np.ndarray:
    """Share of each item in the decayed weight of all events: float32 over I, sums to 1."""
    decayed_N = histories.weights_N * 0.5 ** (histories.ages_N / half_life_days)
    counts_I = np.bincount(histories.items_N, decayed_N, minlength=histories.item_count)
    return (counts_I / max(counts_I.sum(), np.finfo(np.float32).tiny)).astype(np.float32)
