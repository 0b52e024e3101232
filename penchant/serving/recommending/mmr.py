"""Spread what is shown: maximal marginal relevance (Carbonell & Goldstein 1998).

Position by position the candidate with the greatest

    (1 - diversity) * relevance - diversity * likeness to the most like one shown before it

Relevance falls evenly from 1 for the first candidate to 0 for the last: scores of several sources
do not compare, places do. The likeness of two items is the cosine of their vectors, at least 0;
where one has no vector, the share of the three category levels that they have in common.
"""

import numpy as np

from penchant.releases.item_arrays import IntArray, Items
from penchant.serving.recommending.slate_selection import FloatArray


def spread(items: Items, items_C: IntArray, diversity: float) -> IntArray:
    """places_C: all candidates in their new order. ``items_C``: best first; ``diversity`` in
    [0, 1]."""
    count = len(items_C)
    like_CC = likeness(items, items_C)
    relevance_C = np.linspace(1, 0, count)
    nearest_C = np.zeros(count)
    left_C = np.ones(count, bool)
    places = np.empty(count, np.int64)
    for position in range(count):
        worth_C = (1 - diversity) * relevance_C - diversity * nearest_C
        places[position] = picked = int(np.where(left_C, worth_C, -np.inf).argmax())
        left_C[picked] = False
        nearest_C = np.maximum(nearest_C, like_CC[picked])
    return places


def likeness(items: Items, items_C: IntArray) -> FloatArray:
    """like_CC in [0, 1], 1 of an item with itself."""
    levels_CL = items.levels_IL[items_C]
    same_CCL = (levels_CL[:, None] == levels_CL[None]) & (levels_CL[:, None] >= 0)
    like_CC = same_CCL.mean(axis=2)
    row_C = items.row_I[items_C]
    having = np.flatnonzero(row_C >= 0)
    if len(having):
        vectors_HD = items.vectors_VD[row_C[having]].astype(np.float64)
        unit_HD = vectors_HD / np.linalg.norm(vectors_HD, axis=1, keepdims=True)
        like_CC[np.ix_(having, having)] = np.clip(unit_HD @ unit_HD.T, 0, 1)
    np.fill_diagonal(like_CC, 1.0)
    return like_CC
