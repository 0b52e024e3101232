"""What a policy is told of a shopper and a candidate: six numbers of about 1, from histories alone.

They are what a service can also know when it is asked: nothing here is of one shop or one source.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from training.data import Histories
from training.policies.policy_log import Asked, PolicyLog

NAMES = ("constant", "popularity", "interest", "bought before", "logged answers", "position")
CATEGORIES = ("category_3", "category_2", "category_1", "brand")
AT_ONCE = 1000  # picks, against the memory of all of their candidates
SMOOTHING = 20.0  # picks that an item's logged answers are worth before any
Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Known:
    """``popularity_I``: log of one plus the events, over its largest; ``answers_I``: the log of an
    item's smoothed click rate over that of all; ``category_I``: its finest that is known."""

    popularity_I: Doubles
    answers_I: Doubles
    category_I: Rows


def known(histories: Histories, items: pa.Table, log: PolicyLog) -> Known:
    """What is known of the items, of events and picks before the histories end."""
    counts_I = np.log1p(histories.counts_I())
    before = log.between(0, histories.end)
    shown_I = np.bincount(before.items_N, minlength=histories.item_count)
    clicked_I = np.bincount(before.items_N, before.clicked_N, minlength=histories.item_count)
    rate = (before.clicked_N.sum() + 1) / (len(before) + 2)
    answers_I = np.log((clicked_I + SMOOTHING * rate) / ((shown_I + SMOOTHING) * rate))
    return Known(counts_I / max(counts_I.max(), 1.0), answers_I, _categories(items))


def features(known: Known, asked: Asked) -> Doubles:
    """features_BCD, in the order of ``NAMES``."""
    users_B, candidates_C, histories = asked.users_B, asked.candidates_C, asked.histories
    of_users, place_B = np.unique(users_B, return_inverse=True)
    theirs = histories.take(of_users)
    bought_UC = theirs.matrix(np.ones(len(theirs.items_N)))[:, candidates_C].toarray()
    categories = int(known.category_I.max(initial=0)) + 1
    taste_UG = np.zeros((len(of_users), categories))
    np.add.at(taste_UG, (theirs.rows_N, known.category_I[theirs.items_N]), 1.0)
    taste_UG /= np.maximum(taste_UG.sum(axis=1, keepdims=True), 1.0)
    interest_UC = np.sqrt(taste_UG[:, known.category_I[candidates_C]])
    shape = (len(users_B), len(candidates_C))
    return np.stack(
        [
            np.ones(shape),
            np.broadcast_to(known.popularity_I[candidates_C], shape),
            interest_UC[place_B],
            np.log1p(bought_UC)[place_B],
            np.broadcast_to(known.answers_I[candidates_C], shape),
            np.broadcast_to(-np.log1p(asked.positions_B)[:, None], shape),
        ],
        axis=2,
    )


def _categories(items: pa.Table) -> Rows:
    """A number for each item's finest category; those without one share a number."""
    present = [items[name] for name in CATEGORIES if name in items.column_names]
    if not present:
        return np.zeros(len(items), np.int64)
    names = pc.fill_null(pc.coalesce(*present), "").combine_chunks().dictionary_encode()
    return names.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def of_picks(known: Known, histories: Histories, log: PolicyLog) -> Doubles:
    """features_ND of the picks of a log, each of its own shopper, item and position."""
    found_ND = np.zeros((len(log), len(NAMES)))
    for first in range(0, len(log), AT_ONCE):
        rows = np.arange(first, min(first + AT_ONCE, len(log)))
        items_C, column_B = np.unique(log.items_N[rows], return_inverse=True)
        asked = Asked(histories, log.users_N[rows], log.positions_N[rows], items_C)
        found_ND[rows] = features(known, asked)[np.arange(len(rows)), column_B]
    return found_ND
