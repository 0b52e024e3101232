"""What could be shown: the ranker's list, then what lies near the user, then what is popular.

The ranker is the best of all families, so its list comes first and is all there is while enough of
it passes the filters. What is missing is filled by the retriever: the items whose vectors give the
greatest product with the user's. What is missing then is filled by popularity.

A user who did something after the release was published has a vector that knows more than
the ranker's list. Then both orders count, by reciprocal rank (Cormack, Clarke & Büttcher 2009).
"""

from dataclasses import dataclass

import numpy as np

from penchant.releases.item_arrays import BoolArray, IntArray, Items
from penchant.releases.opened import OpenRelease
from penchant.releases.release import RANKED_LISTS
from penchant.serving.recommending.slate_selection import FloatArray
from penchant.serving.recommending.user_state import UserState
from penchant.vectors import FloatArray as Vector

RANKER, RETRIEVER, BOTH, PRIOR = "ranker", "retriever", "ranker and retriever", "popularity"
EXACT = 200_000  # vectors: of so many the products with a user's take a millisecond or two
NEAR = 2_000  # of more vectors than that, the nearest by angle whose products are taken
SMOOTHING = 10.0  # of reciprocal ranks; the paper's 60 is for longer lists


@dataclass(frozen=True)
class Found:
    """Some items, best first, each once. ``sources``: what found each."""

    items_C: IntArray
    scores_C: FloatArray
    sources: tuple[str, ...]

    @classmethod
    def by(cls, source: str, items_C: IntArray, scores_C: FloatArray) -> "Found":
        return cls(items_C, scores_C, (source,) * len(items_C))

    def __len__(self) -> int:
        return len(self.items_C)

    def then(self, others: "Found") -> "Found":
        """These, and after them the others that are not among them."""
        new = others.take(np.flatnonzero(~np.isin(others.items_C, self.items_C)))
        return Found(
            np.concatenate([self.items_C, new.items_C]),
            np.concatenate([self.scores_C, new.scores_C]),
            self.sources + new.sources,
        )

    def take(self, places: IntArray) -> "Found":
        """Some of them, in the order of ``places``."""
        sources = tuple(self.sources[place] for place in places.tolist())
        return Found(self.items_C[places], self.scores_C[places], sources)

    def passing(self, allowed_I: BoolArray | None) -> "Found":
        return self if allowed_I is None else self.take(np.flatnonzero(allowed_I[self.items_C]))


def find(
    opened: OpenRelease,
    items: Items,
    user: UserState,
    allowed_I: BoolArray | None,
    wanted: int,
) -> Found:
    """At least ``wanted`` of the allowed items where there are so many, fewer where there are not.

    ``allowed_I``: None where all are.
    """
    found = _ranked(opened, items, user.user_id).passing(allowed_I)
    vector_D = user.vector_D
    if vector_D is not None and user.folded:
        near = nearest(opened, items, vector_D, allowed_I, max(wanted, len(found)))
        found = _fused(found, near) if len(found) else near
    elif vector_D is not None and len(found) < wanted:
        found = found.then(nearest(opened, items, vector_D, allowed_I, wanted + len(found)))
    if len(found) < wanted:
        prior = Found.by(PRIOR, items.prior_items_N, items.prior_scores_N).passing(allowed_I)
        found = found.then(prior)
    return found


def nearest(
    opened: OpenRelease, items: Items, vector_D: Vector, allowed_I: BoolArray | None, most: int
) -> Found:
    """The allowed items with the greatest product with a vector, best first."""
    vectors_VD = items.vectors_VD
    if opened.nearest is not None and len(vectors_VD) > EXACT:
        rows_V = opened.nearest.rows(vector_D, NEAR)
        found = _best(items.item_V[rows_V], vectors_VD[rows_V] @ vector_D, allowed_I, most)
        if len(found) == most:
            return found
    return _best(items.item_V, vectors_VD @ vector_D, allowed_I, most)


def _best(items_V: IntArray, scores_V: Vector, allowed_I: BoolArray | None, most: int) -> Found:
    if allowed_I is not None:
        kept = allowed_I[items_V]
        items_V, scores_V = items_V[kept], scores_V[kept]
    if len(scores_V) > most:
        top = np.argpartition(-scores_V, most - 1)[:most]
        items_V, scores_V = items_V[top], scores_V[top]
    order = np.lexsort((items_V, -scores_V))
    return Found.by(RETRIEVER, items_V[order], scores_V[order].astype(np.float64))


def _ranked(opened: OpenRelease, items: Items, user_id: str) -> Found:
    row = opened.row(RANKED_LISTS, user_id) or {"item_ids": [], "scores": []}
    return Found.by(RANKER, items.ids.rows(row["item_ids"]), np.array(row["scores"], np.float64))


def _fused(first: Found, second: Found) -> Found:
    """Both orders as one; the score is the sum of the reciprocal ranks."""
    both, place = np.unique(np.concatenate([first.items_C, second.items_C]), return_inverse=True)
    ranks = np.concatenate([np.arange(len(first)), np.arange(len(second))])
    scores = np.zeros(len(both))
    np.add.at(scores, place, 1 / (SMOOTHING + ranks + 1))
    order = np.lexsort((both, -scores))
    return Found.by(BOTH, both[order], scores[order])
