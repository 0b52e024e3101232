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
    day_N = histories.times_N // DAY
    first = int(day_N.min(initial=0))
    days = int(day_N.max(initial=0)) - first + 1
    cell_N = (histories.rows_N * days + day_N - first) * histories.item_count + histories.items_N
    cell_N.sort()
    cell_N = cell_N[np.diff(cell_N, prepend=-1) != 0]
    basket_N, items_N = np.divmod(cell_N, histories.item_count)
    begins_N = np.diff(basket_N, prepend=-1) != 0
    rows_N = basket_N // days
    counts_U = np.bincount(rows_N[begins_N], minlength=len(histories))
    before_U = np.cumsum(counts_U) - counts_U
    place_N = np.cumsum(begins_N) - 1 - before_U[rows_N]  # 0 for the oldest
    return Baskets(rows_N, items_N, counts_U[rows_N] - 1 - place_N, counts_U)
