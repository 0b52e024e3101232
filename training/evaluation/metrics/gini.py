"""Popularity bias: how unequally recommendations are spread over the catalogue."""

import numpy as np

from training.evaluation.metrics.recommended_lists import RecommendedLists


def gini(lists: RecommendedLists) -> float | None:
    """Gini index of how often each item of the catalogue is recommended; None without any.

    0: all items equally often. (I - 1) / I, nearly 1: one item alone (Fleder & Hosanagar 2009,
    "Blockbuster Culture's Next Rise or Fall").
    """
    items_N, items = lists.items_N, len(lists.counts_I)
    if not len(items_N):
        return None
    ascending_I = np.sort(np.bincount(items_N, minlength=items))
    rank_I = np.arange(1, items + 1)
    return float((2 * rank_I - items - 1) @ ascending_I / (items * len(items_N)))
