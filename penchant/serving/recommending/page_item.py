"""Recommendations for a page of one item: what fits both the user and the item."""

import numpy as np

from penchant.releases.hnsw_index import unit
from penchant.releases.item_arrays import BoolArray, Items
from penchant.releases.opened import OpenRelease
from penchant.serving.recommending.candidates import Candidates, fused

PAGE = "user and page item"


def with_page_item(
    opened: OpenRelease,
    items: Items,
    candidates: Candidates,
    page_item: str,
    allowed_I: BoolArray | None,
    needed: int,
) -> Candidates:
    """Candidates fused by reciprocal rank with the items most similar to the page's.

    They stay as they are where the page's item has no vector.
    """
    (row,) = items.rows([page_item])
    if row < 0 or opened.nearest is None:
        return candidates
    vector_D = unit(items.vectors_VD[row])
    near_V = opened.nearest.rows(vector_D, 2 * needed + 1)
    near_V = near_V[near_V != row]
    if allowed_I is not None:
        near_V = near_V[allowed_I[items.item_V[near_V]]]
    cosines_V = (unit(items.vectors_VD[near_V]) @ vector_D).astype(np.float64)
    return fused(candidates, Candidates.by(PAGE, items.item_V[near_V], cosines_V), PAGE)
