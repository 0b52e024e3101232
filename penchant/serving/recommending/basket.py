"""Basket completion: the items nearest to the mean of the basket's vectors, by cosine.

Vectors are normalised first, so that each item of the basket counts the same, whatever its
popularity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

import numpy as np

from penchant.errors import UsageError
from penchant.releases.hnsw_index import unit
from penchant.releases.opened import OpenRelease
from penchant.serving.recommending.recommendation import Recommendation
from penchant.serving.recommending.recommender import recommended_items
from penchant.serving.recommending.slate_selection import Slate, SlateCandidates

MAX_BASKET = 100  # items
BASKET = "basket"
ANONYMOUS = ""
"""The user_id of a request without one; it is not logged."""


@dataclass(frozen=True)
class Completion:
    """``answer``: items to add. ``ignored``: items of the basket without a vector."""

    answer: Recommendation
    ignored: tuple[str, ...]


def complete(
    opened: OpenRelease, basket: Sequence[str], k: int, user_id: str = ANONYMOUS
) -> Completion:
    """The ``k`` items nearest to the basket that are not in it.

    Raises UsageError where no item of the basket has a vector, and where popularity serves.
    """
    release = opened.release
    if opened.nearest is None:
        raise UsageError(
            f"release {release.id} has no item vectors: popularity serves",
            "see `penchant status` for why no family with vectors was selected",
        )
    items, distinct = opened.items, list(dict.fromkeys(basket))
    row_B = items.rows(distinct)
    if not (row_B >= 0).any():
        raise UsageError(
            f"no item of the basket has a vector in release {release.id}, such as {distinct[0]!r}",
            "pass items that enough users interacted with: rare items have no vector",
        )
    vector_D = unit(items.vectors_VD[row_B[row_B >= 0]]).mean(axis=0)
    near_V = opened.nearest.rows(vector_D, k + len(distinct))
    near_K = near_V[~np.isin(near_V, row_B)][:k]
    cosines_K = unit(items.vectors_VD[near_K]) @ (vector_D / np.linalg.norm(vector_D))
    candidates = SlateCandidates(
        items.ids.names(items.item_V[near_K]), cosines_K.astype(np.float64), (BASKET,) * len(near_K)
    )
    origin = f"{BASKET} by {opened.family('retriever')}"
    slate = Slate(tuple(range(len(near_K))), (1.0,) * len(near_K), origin)
    answer = Recommendation(
        user_id,
        origin,
        release.id,
        release.snapshot_id,
        recommended_items(opened, candidates, slate),
        candidates,
        slate,
        str(uuid4()),
    )
    ignored = tuple(each for each, row in zip(distinct, row_B.tolist(), strict=True) if row < 0)
    return Completion(answer, ignored)
