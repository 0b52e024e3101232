"""Features of (user, item) pairs for predicting the next basket.

Ages count baskets: 0 for the user's newest, 1 for the one before it, and so on. C: candidate pairs.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from training.data.histories import Histories, IntArray
from training.layers.baskets import baskets_of

Floats = npt.NDArray[np.floating]

HALF_LIVES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
NEVER = 1000.0  # age of an item that the user never had
PRIOR_BASKETS = 20.0  # weight of the shop's mean in an item's rate
NAMES = (
    *(f"decayed_{half_life:.0f}" for half_life in HALF_LIVES),
    *("count", "share_of_baskets", "share_since_first", "share_of_last_five"),
    *(
        "age_of_last",
        "age_of_first",
        "last_gap",
        "mean_gap",
        "age_in_mean_gaps",
        "deviation_of_gaps",
    ),
    *("user_baskets", "user_items", "user_mean_size", "user_last_size", "user_repeat_share"),
    *("item_buyers", "item_count", "item_recent", "item_repeat_buyers", "item_rate", "item_gap"),
    *("rate_times_item", "after_last_basket"),
)


@dataclass(frozen=True)
class Pairs:
    """What each user did with each item that they had, sorted by user and item.

    ``key_P``: row of the user * items + item. ``decayed_PH``: baskets with the item, by half-life.
    """

    key_P: IntArray
    count_P: Floats
    decayed_PH: Floats
    recent_P: Floats
    last_P: Floats
    first_P: Floats
    last_gap_P: Floats
    gap_squares_P: Floats


@dataclass(frozen=True)
class Shop:
    """Statistics of items over all users of some histories, and P(item | item in last basket)."""

    buyers_I: Floats
    count_I: Floats
    recent_I: Floats
    repeat_buyers_I: Floats
    rate_I: Floats
    gap_I: Floats
    after_II: sp.csr_matrix


def pairs_of(histories: Histories) -> Pairs:
    baskets = baskets_of(histories)
    key_N = baskets.rows_N * histories.item_count + baskets.items_N
    order_N = np.lexsort((baskets.rank_N, key_N))  # newest first within a pair
    key_N, age_N = key_N[order_N], baskets.rank_N[order_N].astype(np.float64)
    begins = np.flatnonzero(np.concatenate([[True], np.diff(key_N) != 0]))
    count_P = np.diff(np.append(begins, len(key_N)))
    gaps_N = np.diff(age_N, append=0.0)
    gaps_N[begins + count_P - 1] = 0.0  # the oldest of a pair has no basket before it
    second_P = np.where(count_P > 1, gaps_N[begins], 0.0)

    def total(values_N: Floats) -> Floats:
        return np.add.reduceat(values_N, begins).astype(np.float32)

    return Pairs(
        key_N[begins],
        count_P.astype(np.float32),
        np.stack([total(0.5 ** (age_N / half)) for half in HALF_LIVES], axis=1),
        total((age_N < 5).astype(np.float64)),
        age_N[begins].astype(np.float32),
        age_N[begins + count_P - 1].astype(np.float32),
        second_P.astype(np.float32),
        total(gaps_N**2),
    )


def shop_of(histories: Histories, pairs: Pairs) -> Shop:
    items = histories.item_count
    item_P = pairs.key_P % items

    def total(values_P: Floats) -> Floats:
        return np.bincount(item_P, values_P, minlength=items).astype(np.float64)

    buyers_I = total(np.ones(len(item_P)))
    repeats_I, at_risk_I = total(pairs.count_P - 1), total(pairs.first_P)
    mean_rate = repeats_I.sum() / max(at_risk_I.sum(), 1)
    gaps_I = total(pairs.first_P - pairs.last_P)
    return Shop(
        buyers_I,
        total(pairs.count_P),
        total(pairs.decayed_PH[:, 3]),
        total((pairs.count_P > 1).astype(np.float64)) / np.maximum(buyers_I, 1),
        (repeats_I + PRIOR_BASKETS * mean_rate) / (at_risk_I + PRIOR_BASKETS),
        gaps_I / np.maximum(repeats_I, 1),
        _after(histories),
    )


def features(
    histories: Histories, pairs: Pairs, shop: Shop, rows_C: IntArray, items_C: IntArray
) -> Floats:
    """values_CF of candidate pairs, in the order of ``NAMES``: float32."""
    baskets = baskets_of(histories)
    users = len(histories)
    own_C, known_C = _positions(pairs, rows_C * histories.item_count + items_C)

    def of(values_P: Floats, otherwise: float = 0.0) -> Floats:
        return np.where(known_C, values_P[own_C], otherwise)

    count, first, last = of(pairs.count_P), of(pairs.first_P, NEVER), of(pairs.last_P, NEVER)
    gaps = np.maximum(count - 1, 1)
    mean_gap = np.where(count > 1, (first - last) / gaps, NEVER)
    deviation = np.sqrt(np.maximum(of(pairs.gap_squares_P) / gaps - mean_gap**2, 0))
    total_U = np.bincount(baskets.rows_N, minlength=users)
    last_U = np.bincount(baskets.rows_N[baskets.rank_N == 0], minlength=users)
    distinct_U = np.bincount(pairs.key_P // histories.item_count, minlength=users)
    counts_U = np.maximum(baskets.counts_U, 1)
    since_first = np.where(known_C, count / (first + 1), 0)
    columns = [
        *(of(pairs.decayed_PH[:, column]) for column in range(len(HALF_LIVES))),
        count,
        count / counts_U[rows_C],
        since_first,
        of(pairs.recent_P) / np.minimum(counts_U, 5)[rows_C],
        last,
        first,
        of(pairs.last_gap_P),
        mean_gap,
        np.where(count > 1, last / np.maximum(mean_gap, 1), NEVER),
        np.where(count > 1, deviation, NEVER),
        baskets.counts_U[rows_C],
        distinct_U[rows_C],
        (total_U / counts_U)[rows_C],
        last_U[rows_C],
        (1 - distinct_U / np.maximum(total_U, 1))[rows_C],
        shop.buyers_I[items_C],
        shop.count_I[items_C],
        shop.recent_I[items_C],
        shop.repeat_buyers_I[items_C],
        shop.rate_I[items_C],
        shop.gap_I[items_C],
        since_first * shop.rate_I[items_C],
        after_last(histories, shop)[rows_C, items_C].A1 if len(rows_C) else np.zeros(0),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def after_last(histories: Histories, shop: Shop) -> sp.csr_matrix:
    """Mean probability of each item after the items of each user's last basket: U x I."""
    baskets = baskets_of(histories)
    newest_N = baskets.rank_N == 0
    rows_N = baskets.rows_N[newest_N]
    sizes_U = np.maximum(np.bincount(rows_N, minlength=len(histories)), 1)
    shape = (len(histories), histories.item_count)
    entries = ((1 / sizes_U[rows_N]).astype(np.float32), (rows_N, baskets.items_N[newest_N]))
    return sp.csr_matrix(entries, shape) @ shop.after_II


def _positions(pairs: Pairs, key_C: IntArray) -> tuple[IntArray, np.ndarray]:
    """Where each candidate is among the pairs, and whether it is there at all."""
    found_C = np.minimum(np.searchsorted(pairs.key_P, key_C), len(pairs.key_P) - 1)
    return found_C, pairs.key_P[found_C] == key_C


def _after(histories: Histories) -> sp.csr_matrix:
    """P(i in the next basket | j in this one), over all consecutive baskets: I x I, rows j."""
    baskets = baskets_of(histories)
    offsets_U = np.concatenate([[0], np.cumsum(baskets.counts_U)])
    basket_N = offsets_U[baskets.rows_N] + baskets.counts_U[baskets.rows_N] - 1 - baskets.rank_N
    shape = (int(offsets_U[-1]), histories.item_count)
    ones = np.ones(len(basket_N), np.float32)
    content = sp.csr_matrix((ones, (basket_N, baskets.items_N)), shape)
    has_next = np.ones(shape[0], bool)
    has_next[offsets_U[1:][baskets.counts_U > 0] - 1] = False
    this = content[np.flatnonzero(has_next)]
    following = content[np.flatnonzero(has_next) + 1]
    together = (this.T @ following).tocsr()
    counts_I = np.asarray(this.sum(axis=0)).ravel()
    return (sp.diags(1 / (counts_I + 5).astype(np.float32)) @ together).tocsr()
