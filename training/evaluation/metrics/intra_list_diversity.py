"""Intra-list diversity: how different the items of one list are."""

from itertools import combinations

import numpy as np

from training.evaluation.metrics.recommended_lists import RecommendedLists


def intra_list_diversity(lists: RecommendedLists) -> float | None:
    """Mean distance between two items of a list, then mean over users; None without such a pair.

    The distance is 1 - Jaccard similarity of the categories on the items' paths in the tree: 0 for
    the same category, 1 for different categories of the first level. It needs no vectors, so it
    compares all families. The mean over pairs is that of Ziegler et al. 2005, "Improving
    Recommendation Lists Through Topic Diversification". Items without a category are left out.
    """
    known_UK = lists.items_UK >= 0
    codes_UKL = np.where(known_UK[:, :, None], lists.categories_IL[lists.items_UK], -1)
    depth_UK = (codes_UKL >= 0).sum(axis=2)
    distance_U, pairs_U = np.zeros((2, len(codes_UKL)))
    for one, other in combinations(range(codes_UKL.shape[1]), 2):
        codes_UL = codes_UKL[:, one]
        common_U = ((codes_UL == codes_UKL[:, other]) & (codes_UL >= 0)).sum(axis=1)
        comparable_U = (depth_UK[:, one] > 0) & (depth_UK[:, other] > 0)
        union_U = np.maximum(1, depth_UK[:, one] + depth_UK[:, other] - common_U)
        distance_U += comparable_U * (1 - common_U / union_U)
        pairs_U += comparable_U
    measured_U = pairs_U > 0
    if not measured_U.any():
        return None
    return float((distance_U[measured_U] / pairs_U[measured_U]).mean())
