"""What users had bought up to a moment, in the same matrices as the items."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from penchant.artifacts import Snapshot
from penchant.encryption.duckdb_connection import connect
from penchant.insights.audience.catalogue import BLOCKS, Catalogue, Floats, unit_rows

COUNTED = BLOCKS[:4]
FEATURES = (
    *BLOCKS,
    *(f"purchases in {name}" for name in COUNTED),
    "price",
    "activity",
    "newcomers",
)
"""Of a user for an item: cosines of what the user buys with the item, logarithms of purchases in
the item's categories and brand, and of the user alone. ``newcomers``: the share of what the
user bought that was new to the shop."""

RECENT_DAYS, NEW_DAYS = 91, 28
UNKNOWN_PRICE = 1.0  # log distance, where a price is unknown


@dataclass(frozen=True)
class Purchases:
    """Each user's purchases of an item on a day. ``day_R``: days before ``as_of``, from 1.
    ``first_I``: the day of an item's first purchase, 0 where it was never bought."""

    user_ids: tuple[str, ...]
    user_R: npt.NDArray[np.int64]
    item_R: npt.NDArray[np.int64]
    day_R: npt.NDArray[np.int64]
    first_I: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Profiles:
    """Users with a purchase before a moment. ``rows_U``: their places in ``Purchases.user_ids``.
    ``blocks``: rows of length 1; ``counts``: purchases by path. ``log_price_U``: the mean."""

    rows_U: npt.NDArray[np.int64]
    blocks: dict[str, sparse.csr_matrix]
    counts: dict[str, sparse.csr_matrix]
    log_price_U: Floats
    activity_U: Floats
    newcomers_U: Floats


def read_purchases(snapshot: Snapshot, catalogue: Catalogue, threads: int) -> Purchases:
    with connect(snapshot.path, config={"threads": threads}) as connection:
        rows = connection.execute(
            "SELECT DISTINCT user_id, item_id, "
            "date_diff('day', event_at, $as_of::TIMESTAMP) AS day "
            f"FROM {snapshot.counted('events')} WHERE event_type = 'purchase' "
            "AND item_id IS NOT NULL AND event_at < $as_of::TIMESTAMP "
            "ORDER BY user_id, item_id, day",
            {"as_of": snapshot.as_of},
        ).fetchnumpy()
    users, user_R = np.unique(rows["user_id"].astype(object), return_inverse=True)
    item_R = np.searchsorted(
        np.array(catalogue.item_ids, dtype=object), rows["item_id"].astype(object)
    )
    first_I = np.zeros(len(catalogue.item_ids), np.int64)
    np.maximum.at(first_I, item_R, rows["day"].astype(np.int64))
    return Purchases(
        tuple(users), user_R.astype(np.int64), item_R, rows["day"].astype(np.int64), first_I
    )


def profiles_at(purchases: Purchases, catalogue: Catalogue, days_before: int) -> Profiles:
    """What was known so many days before ``as_of``."""
    known_R = purchases.day_R > days_before
    user_R, item_R = purchases.user_R[known_R], purchases.item_R[known_R]
    day_R = purchases.day_R[known_R]
    rows_U, place_R = np.unique(user_R, return_inverse=True)
    shape = (len(rows_U), len(catalogue.item_ids))
    bought_UI = sparse.csr_matrix((np.ones(len(item_R)), (place_R, item_R)), shape)
    damped_UI = bought_UI.copy()
    damped_UI.data = np.log1p(damped_UI.data)
    counts = {name: (bought_UI @ catalogue.blocks[name]).tocsr() for name in COUNTED}
    blocks = {name: unit_rows(damped_UI @ block) for name, block in catalogue.blocks.items()}
    size = len(rows_U)
    priced_R = ~np.isnan(catalogue.log_price_I[item_R])
    total_U = np.bincount(
        place_R[priced_R], catalogue.log_price_I[item_R[priced_R]], minlength=size
    )
    count_U = np.bincount(place_R[priced_R], minlength=size)
    recent_R = day_R <= days_before + RECENT_DAYS
    new_R = purchases.first_I[item_R] - day_R < NEW_DAYS
    bought_U = np.bincount(place_R, minlength=size)
    return Profiles(
        rows_U,
        blocks,
        counts,
        np.where(count_U > 0, total_U / np.maximum(count_U, 1), np.nan),
        np.log1p(np.bincount(place_R[recent_R], minlength=size)),
        np.bincount(place_R[new_R], minlength=size) / np.maximum(bought_U, 1),
    )


def features_of(profiles: Profiles, catalogue: Catalogue, item: int) -> Floats:
    """features_UF of all users for the item of a row, in the order of FEATURES."""
    columns = [_products(profiles.blocks[name], catalogue.blocks[name][item]) for name in BLOCKS]
    columns += [
        np.log1p(_products(profiles.counts[name], catalogue.blocks[name][item])) for name in COUNTED
    ]
    distance_U = np.abs(profiles.log_price_U - catalogue.log_price_I[item])
    price_U = np.where(np.isnan(distance_U), UNKNOWN_PRICE, distance_U)
    return np.column_stack([*columns, price_U, profiles.activity_U, profiles.newcomers_U])


def category_purchases(profiles: Profiles, catalogue: Catalogue, item: int) -> Floats:
    """Purchases in the item's deepest category, then in those above it: the usual mailing list."""
    scores_U = np.zeros(len(profiles.rows_U))
    for weight, level in zip((1e-6, 1e-3, 1.0), BLOCKS[:3], strict=True):
        scores_U += weight * _products(profiles.counts[level], catalogue.blocks[level][item])
    return scores_U


def _products(users: sparse.csr_matrix, item: sparse.csr_matrix) -> Floats:
    """Of each user's row with an item's row."""
    return np.asarray((users @ item.T).todense()).ravel()
