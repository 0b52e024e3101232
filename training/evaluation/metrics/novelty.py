"""Novelty: how unpopular the recommended items are."""

import numpy as np

from training.evaluation.metrics.recommended_lists import RecommendedLists


def novelty(lists: RecommendedLists) -> float | None:
    """Mean self-information of the recommended items, in bits; None without recommendations.

    An item's is -log2 of its share of all events before the window (expected free discovery:
    Vargas & Castells 2011, "Rank and Relevance in Novelty and Diversity Metrics"). An item without
    events counts as one with one: its own would be infinite.
    """
    items_N = lists.items_N
    if not len(items_N):
        return None
    share_N = np.maximum(lists.counts_I[items_N], 1) / max(1, lists.counts_I.sum())
    return float(-np.log2(share_N).mean())
