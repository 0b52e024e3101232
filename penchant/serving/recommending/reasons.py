"""Why an item is recommended: "because you bought X", where that can be verified.

For each recommended item the items of the user's history that are most like it are tried: X is
taken out of the history, the user's vector is made again without it, and the item is scored
again. If the score falls, X is a reason, and of those tried the one is given without which it falls
most. If none makes it fall, the reason is withheld: likeness alone is none.

A score here is the product of the user's and the item's vectors, as the retriever's family makes
them: reasons explain the score that this family gives, also where another family ranked the list.
The whole history is behind a vector, so X is a reason, seldom the only one.
"""

from collections.abc import Sequence

import numpy as np

from penchant.encoders.history import History
from penchant.releases.fold_in import FoldIn
from penchant.releases.item_arrays import Items
from penchant.releases.opened import OpenRelease
from penchant.serving.recommending.recommendation import Reason
from penchant.serving.recommending.user_state import UserState
from penchant.vectors import FloatArray

TRIED = 3  # items of the history for each item
NOISE = 1e-5  # a smaller part of a score is rounding

DID = {
    "purchase": "you bought",
    "cart": "you put in your cart",
    "view": "you looked at",
    "rating": "you rated",
}
"""In words, what a family was taught by: the kinds of the mart ``interactions``."""
SINCE = "you lately turned to"
"""What came after the snapshot counts whatever its kind, unless it is known as bought."""


def reasons(
    opened: OpenRelease,
    items: Items,
    fold_in: FoldIn,
    user: UserState,
    history: History,
    item_ids: Sequence[str],
) -> list[Reason | None]:
    """One for each item, in order; None where none holds, and for an item without a vector."""
    past = list(dict.fromkeys(reversed(history.item_ids)))  # each once, the latest first
    past_row_P, row_K = items.rows(past), items.rows(item_ids)
    past = [past[place] for place in np.flatnonzero(past_row_P >= 0).tolist()]
    found: list[Reason | None] = [None] * len(item_ids)
    having = np.flatnonzero(row_K >= 0)
    if not past or not len(having):
        return found
    vectors_HD = items.vectors_VD[row_K[having]]
    tried_HT = _most_like(vectors_HD, items.vectors_VD[past_row_P[past_row_P >= 0]])
    scores_H = vectors_HD @ fold_in.fold(history)
    drops = {
        place: scores_H - vectors_HD @ fold_in.fold(history.without(past[place]))
        for place in np.unique(tried_HT).tolist()
    }
    known = frozenset(fold_in.history(user.user_id).item_ids)
    for at, place_K in enumerate(having.tolist()):
        best = max(tried_HT[at].tolist(), key=lambda place: float(drops[place][at]))
        drop = float(drops[best][at])
        if drop > NOISE * max(1e-9, abs(float(scores_H[at]))):
            did = _did(past[best], known, fold_in, user)
            found[place_K] = _reason(opened, past[best], item_ids[place_K], did, drop)
    return found


def _most_like(vectors_HD: FloatArray, past_PD: FloatArray) -> np.ndarray:
    """tried_HT: for each vector the places of the past that have the greatest cosine."""
    norms_P = np.linalg.norm(past_PD, axis=1)
    cosine_HP = (vectors_HD @ past_PD.T) / norms_P  # a row's own norm orders nothing
    count = min(TRIED, len(past_PD))
    return np.argpartition(-cosine_HP, count - 1, axis=1)[:, :count]


def _did(item_id: str, known: frozenset[str], fold_in: FoldIn, user: UserState) -> str:
    """What the user did with an item of their history, ``known`` of which is the snapshot's."""
    if item_id in known:
        return DID[fold_in.learned_from]
    return DID["purchase"] if item_id in user.bought_since else SINCE


def _reason(opened: OpenRelease, because: str, item_id: str, did: str, drop: float) -> Reason:
    (fact,) = opened.facts_of([because])
    what = "it before" if because == item_id and did != SINCE else fact.title
    return Reason(because, fact.title, f"because {did} {what}", drop)
