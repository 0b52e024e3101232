"""Candidates: the ranker's list, then nearest items by vector, then popular items.

The ranker is the best of all families, so its list comes first, and is used alone while enough of
it passes the filters. The retriever fills the rest with the items whose vectors have the greatest
dot product with the user's; popularity fills what is still missing.

With events since the release, the user's vector is more recent than the ranker's list. Then both
are combined by reciprocal rank fusion (Cormack, Clarke & Büttcher 2009).
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
EXACT = 200_000  # up to so many vectors, all dot products take a millisecond or two
NEAR = 2_000  # beyond, nearest vectors by angle that are scored by dot product
SMOOTHING = 10.0  # of reciprocal ranks; the paper's 60 is for longer lists


@dataclass(frozen=True)
class Candidates:
    """Items, best first, each once. ``sources``: what found each."""

    items_C: IntArray
    scores_C: FloatArray
    sources: tuple[str, ...]

    @classmethod
    def by(cls, source: str, items_C: IntArray, scores_C: FloatArray) -> "Candidates":
        return cls(items_C, scores_C, (source,) * len(items_C))

    def __len__(self) -> int:
        return len(self.items_C)

    def then(self, others: "Candidates") -> "Candidates":
        """These, followed by those of the others that are not among them."""
        new = others.take(np.flatnonzero(~np.isin(others.items_C, self.items_C)))
        return Candidates(
            np.concatenate([self.items_C, new.items_C]),
            np.concatenate([self.scores_C, new.scores_C]),
            self.sources + new.sources,
        )

    def take(self, places: IntArray) -> "Candidates":
        """The candidates at ``places``, in that order."""
        sources = tuple(self.sources[place] for place in places.tolist())
        return Candidates(self.items_C[places], self.scores_C[places], sources)

    def passing(self, allowed_I: BoolArray | None) -> "Candidates":
        return self if allowed_I is None else self.take(np.flatnonzero(allowed_I[self.items_C]))


def find_candidates(
    opened: OpenRelease,
    items: Items,
    user: UserState,
    allowed_I: BoolArray | None,
    needed: int,
) -> Candidates:
    """At least ``needed`` of the allowed items, or all where there are fewer.

    ``allowed_I``: None where all are allowed.
    """
    found = _ranked(opened, items, user.user_id).passing(allowed_I)
    vector_D = user.vector_D
    if vector_D is not None and user.folded_in:
        near = nearest(opened, items, vector_D, allowed_I, max(needed, len(found)))
        found = fused(found, near, BOTH) if len(found) else near
    elif vector_D is not None and len(found) < needed:
        found = found.then(nearest(opened, items, vector_D, allowed_I, needed + len(found)))
    if len(found) < needed:
        prior = Candidates.by(PRIOR, items.prior_items_N, items.prior_scores_N).passing(allowed_I)
        found = found.then(prior)
    return found


def nearest(
    opened: OpenRelease, items: Items, vector_D: Vector, allowed_I: BoolArray | None, count: int
) -> Candidates:
    """The allowed items with the greatest dot product with a vector, best first."""
    vectors_VD = items.vectors_VD
    if opened.nearest is not None and len(vectors_VD) > EXACT:
        rows_V = opened.nearest.rows(vector_D, NEAR)
        found = _best(items.item_V[rows_V], vectors_VD[rows_V] @ vector_D, allowed_I, count)
        if len(found) == count:
            return found
    return _best(items.item_V, vectors_VD @ vector_D, allowed_I, count)


def _best(
    items_V: IntArray, scores_V: Vector, allowed_I: BoolArray | None, count: int
) -> Candidates:
    if allowed_I is not None:
        kept = allowed_I[items_V]
        items_V, scores_V = items_V[kept], scores_V[kept]
    if len(scores_V) > count:
        top = np.argpartition(-scores_V, count - 1)[:count]
        items_V, scores_V = items_V[top], scores_V[top]
    order = np.lexsort((items_V, -scores_V))
    return Candidates.by(RETRIEVER, items_V[order], scores_V[order].astype(np.float64))


def _ranked(opened: OpenRelease, items: Items, user_id: str) -> Candidates:
    row = opened.row(RANKED_LISTS, user_id) or {"item_ids": [], "scores": []}
    return Candidates.by(
        RANKER, items.ids.rows(row["item_ids"]), np.array(row["scores"], np.float64)
    )


def fused(first: Candidates, second: Candidates, source: str) -> Candidates:
    """Reciprocal rank fusion of both; the score is the sum of the reciprocal ranks."""
    both, place = np.unique(np.concatenate([first.items_C, second.items_C]), return_inverse=True)
    ranks = np.concatenate([np.arange(len(first)), np.arange(len(second))])
    scores = np.zeros(len(both))
    np.add.at(scores, place, reciprocal(ranks))
    order = np.lexsort((both, -scores))
    return Candidates.by(source, both[order], scores[order])


def reciprocal(ranks: IntArray | FloatArray) -> FloatArray:
    """What each rank, from 0, adds to a fused score."""
    return 1 / (SMOOTHING + ranks + 1)
