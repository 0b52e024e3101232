"""Re-ranking of candidates: maximal marginal relevance (Carbonell & Goldstein 1998).

Each position gets the candidate with the greatest

    (1 - diversity) * relevance - diversity * similarity to the most similar one placed before it

Relevance falls linearly from 1 for the first candidate to 0 for the last, because scores of
different sources don't compare. The similarity of two items is the cosine of their vectors, at
least 0; where one has no vector, the share of the three category levels that they have in common.
"""

import numpy as np

from penchant.releases.hnsw_index import unit
from penchant.releases.item_arrays import IntArray, Items
from penchant.serving.recommending.candidates import Candidates
from penchant.serving.recommending.slate_selection import FloatArray

POOL = 3  # candidates that are re-ranked for each position of the slate


def rerank(
    items: Items, candidates: Candidates, k: int, diversity: float, needed: int
) -> Candidates:
    """Re-rank the first ``candidates_needed`` candidates; the others stay behind them. ``needed``:
    how many are used; the order of those beyond is not changed further."""
    pool = candidates_needed(k, diversity)
    if not pool:
        return candidates
    places = mmr_rerank(items, candidates.items_C[:pool], diversity, needed)
    return candidates.take(np.append(places, np.arange(len(places), len(candidates))))


def candidates_needed(k: int, diversity: float) -> int:
    """How many candidates are re-ranked for a slate of ``k``; 0 where none are."""
    return POOL * k if diversity else 0


def mmr_rerank(items: Items, items_C: IntArray, diversity: float, needed: int) -> IntArray:
    """places_C: the first ``needed`` candidates in their new order, then the others in their old
    one. ``items_C``: best first; ``diversity`` in [0, 1]."""
    count = len(items_C)
    ordered = min(needed, count)
    loss_CC = diversity * similarity(items, items_C)
    worth_C = (1 - diversity) * np.linspace(1, 0, count)
    nearest_C, value_C = np.zeros(count), worth_C.copy()
    places = np.empty(ordered, np.int64)
    for position in range(ordered):
        places[position] = best = value_C.argmax()
        worth_C[best] = -np.inf
        np.maximum(nearest_C, loss_CC[best], out=nearest_C)
        np.subtract(worth_C, nearest_C, out=value_C)
    return np.append(places, np.flatnonzero(worth_C > -np.inf))


def similarity(items: Items, items_C: IntArray) -> FloatArray:
    """similarity_CC in [0, 1]; 1 of an item with itself."""
    similarity_CC = np.zeros((len(items_C), len(items_C)))
    for codes_C in items.levels_IL[items_C].T:
        same_CC = codes_C[:, None] == codes_C
        same_CC &= codes_C >= 0
        similarity_CC += same_CC
    similarity_CC /= items.levels_IL.shape[1]
    row_C = items.row_I[items_C]
    having = np.flatnonzero(row_C >= 0)
    if len(having):
        unit_HD = unit(items.vectors_VD[row_C[having]])
        cosine_HH = unit_HD @ unit_HD.T
        similarity_CC[np.ix_(having, having)] = np.clip(cosine_HH, 0, 1, out=cosine_HH)
    np.fill_diagonal(similarity_CC, 1.0)
    return similarity_CC
