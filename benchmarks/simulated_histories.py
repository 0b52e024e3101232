"""Histories of a simulated shop of any size, in memory.

Users have interests in few categories and return to items of their own; popularity is skewed. The
same arguments give the same shop.
"""

import numpy as np
import pyarrow as pa

from training.data.histories import DAY, Dataset, Histories, starts

CATEGORIES = 50
OWN_ITEMS = 20  # that a user returns to
RETURNS = 0.6  # share of events with an own item
DAYS = 365
MEAN_EVENTS = 50


def simulated_histories(users: int, items: int, seed: int) -> Dataset:
    """A year of a shop with one event type."""
    random = np.random.default_rng(seed)
    category_I = np.sort(random.integers(0, CATEGORIES, items))
    mass_I1 = np.concatenate([[0], np.cumsum(1 / (10 + random.permutation(items)))])
    first_C1 = np.searchsorted(category_I, np.arange(CATEGORIES + 1))
    interests_UC = random.dirichlet(np.full(CATEGORIES, 0.05), users).cumsum(axis=1)

    def drawn(rows_N: np.ndarray) -> np.ndarray:
        """An item for each of these users, by interest and by popularity in the category."""
        at_N1 = random.random((len(rows_N), 1))
        category_N = np.minimum((interests_UC[rows_N] < at_N1).sum(axis=1), CATEGORIES - 1)
        low_N, high_N = (mass_I1[first_C1[category_N + add]] for add in (0, 1))
        mass_N = low_N + random.random(len(rows_N)) * (high_N - low_N)
        return np.minimum(np.searchsorted(mass_I1, mass_N, "right") - 1, items - 1)

    lengths_U = 2 + random.geometric(1 / MEAN_EVENTS, users)
    rows_N = np.repeat(np.arange(users), lengths_U)
    own_UK = drawn(np.repeat(np.arange(users), OWN_ITEMS)).reshape(users, OWN_ITEMS)
    place_N = (OWN_ITEMS * random.random(len(rows_N)) ** 2).astype(int)  # favourites among them
    returned_N = random.random(len(rows_N)) < RETURNS
    items_N = np.where(returned_N, own_UK[rows_N, place_N], drawn(rows_N))
    times_N = (random.random(len(rows_N)) * DAYS * DAY).astype(np.int64)
    times_N = times_N[np.lexsort((times_N, rows_N))]
    histories = Histories(
        np.arange(users),
        starts(lengths_U),
        items_N.astype(np.int32),
        times_N,
        np.ones(len(rows_N), np.float32),
        items,
        DAYS * DAY,
    )
    user_ids = tuple(f"u{row:07}" for row in range(users))
    item_ids = tuple(f"i{row:07}" for row in range(items))
    table = pa.table(
        {
            "item_id": item_ids,
            "title": item_ids,
            "category_1": [f"category {each}" for each in category_I],
        }
    )
    return Dataset(user_ids, item_ids, histories, pa.table({"user_id": user_ids}), table)
