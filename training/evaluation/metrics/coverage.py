"""Catalogue coverage."""

import numpy as np

from training.evaluation.metrics.recommended_lists import RecommendedLists


def coverage(lists: RecommendedLists) -> float:
    """Share of the catalogue that is recommended to at least one user (Ge et al. 2010)."""
    return len(np.unique(lists.items_N)) / len(lists.counts_I)
