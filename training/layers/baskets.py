"""Baskets: the distinct items of a user on one day, counted from the newest."""

from dataclasses import dataclass

import numpy as np

from training.data.histories import DAY, Histories, IntArray


@dataclass(frozen=True)
class Baskets:
    """Distinct (user, day, item) triples, in the order of users.

    ``rank_N``: 0 for a triple of its user's newest basket, 1 for the one before, and so on.
    ``counts_U``: baskets of each user.
    """

    rows_N: IntArray
    items_N: IntArray
    rank_N: IntArray
    counts_U: IntArray


def baskets_of(histories: Histories) -> Baskets:
    """The baskets of all users of ``histories``."""
    triples_N3 = np.unique(
        np.stack(
            [histories.rows_N, histories.times_N // DAY, histories.items_N.astype(np.int64)], axis=1
        ),
        axis=0,
    )
    rows_N, days_N, items_N = triples_N3.T
    begins_N = np.ones(len(rows_N), bool)  # a basket
    begins_N[1:] = (np.diff(rows_N) != 0) | (np.diff(days_N) != 0)
    counts_U = np.bincount(rows_N[begins_N], minlength=len(histories))
    before_U = np.cumsum(counts_U) - counts_U
    place_N = np.cumsum(begins_N) - 1 - before_U[rows_N]  # 0 for the oldest
    return Baskets(rows_N, items_N, counts_U[rows_N] - 1 - place_N, counts_U)
