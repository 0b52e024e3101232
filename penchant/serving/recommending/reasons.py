"""Reasons: "because you bought X", verified by a counterfactual.

For each recommended item, the most similar items of the user's history are tried: X is removed from
the history, the user's vector is computed again and the item is scored again. If the score falls, X
is a reason; the one with the largest drop is given. If no score falls, there is no reason:
similarity alone is not one. Where the encoder must read the history again for each item that is
left out, those that are similar to most recommended items are tried, as many as the limit allows.

The score is the dot product of the user's and the item's vectors of the retriever's family, also
where another family ranked the list. A vector is made of the whole history, so X is seldom the only
reason.
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

TRIED = 3  # items of the history for each recommended item
MAX_READ = 500  # events that an encoder reads again, in all, but for two items at least
NOISE = 1e-5  # a smaller relative drop is rounding

DID = {
    "purchase": "you bought",
    "cart": "you put in your cart",
    "view": "you looked at",
    "rating": "you rated",
}
"""By the event type of the mart ``interactions``."""
SINCE = "you recently showed interest in"
"""For an event since the snapshot of any type, unless the item was bought."""


def reasons(
    opened: OpenRelease,
    items: Items,
    fold_in: FoldIn,
    user: UserState,
    history: History,
    item_ids: Sequence[str],
) -> list[Reason | None]:
    """One for each item, in order; None without a verified reason or without a vector."""
    past = list(dict.fromkeys(reversed(history.item_ids)))  # each once, the latest first
    past_row_P, row_K = items.rows(past), items.rows(item_ids)
    past = [past[place] for place in np.flatnonzero(past_row_P >= 0).tolist()]
    found: list[Reason | None] = [None] * len(item_ids)
    having = np.flatnonzero(row_K >= 0)
    if not past or not len(having):
        return found
    vectors_HD = items.vectors_VD[row_K[having]]
    tried_HT = _most_similar(vectors_HD, items.vectors_VD[past_row_P[past_row_P >= 0]])
    scores_H = vectors_HD @ fold_in.vector(history)
    distinct_T = _affordable(tried_HT, fold_in.events_read_without(history))
    without_TD = fold_in.vectors_without(history, [past[place] for place in distinct_T.tolist()])
    drops_HT = scores_H[:, None] - vectors_HD @ without_TD.T
    own_HT = (tried_HT[:, :, None] == distinct_T).any(axis=1)
    drops_HT[~own_HT] = -np.inf
    best_H = drops_HT.argmax(axis=1)
    known = frozenset(fold_in.history(user.user_id).item_ids)
    for at, place_K in enumerate(having.tolist()):
        because, drop = past[int(distinct_T[best_H[at]])], float(drops_HT[at, best_H[at]])
        if drop > NOISE * max(1e-9, abs(float(scores_H[at]))):
            did = _did(because, known, fold_in, user)
            found[place_K] = _reason(opened, because, item_ids[place_K], did, drop)
    return found


def _most_similar(vectors_HD: FloatArray, past_PD: FloatArray) -> np.ndarray:
    """tried_HT: for each vector, the places in the past with the greatest cosine."""
    norms_P = np.linalg.norm(past_PD, axis=1)
    cosine_HP = (vectors_HD @ past_PD.T) / norms_P  # a row's own norm doesn't change its order
    count = min(TRIED, len(past_PD))
    return np.argpartition(-cosine_HP, count - 1, axis=1)[:, :count]


def _affordable(tried_HT: np.ndarray, read: int) -> np.ndarray:
    """distinct_T: the places to try, those of most vectors first. ``read``: events for each."""
    distinct_T, counts_T = np.unique(tried_HT, return_counts=True)
    if not read:
        return distinct_T
    return distinct_T[np.argsort(-counts_T, kind="stable")[: max(2, MAX_READ // read)]]


def _did(item_id: str, known: frozenset[str], fold_in: FoldIn, user: UserState) -> str:
    """What the user did with an item of their history. ``known``: items of the snapshot."""
    if item_id in known:
        return DID[fold_in.learned_from]
    return DID["purchase"] if item_id in user.bought_since else SINCE


def _reason(opened: OpenRelease, because: str, item_id: str, did: str, drop: float) -> Reason:
    (fact,) = opened.facts_of([because])
    what = "it before" if because == item_id and did != SINCE else fact.title
    return Reason(because, fact.title, f"because {did} {what}", drop)
