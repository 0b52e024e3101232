"""Features of a user's own items: how often, how recently and how regularly each was bought.

They are those of ReCANet (Ariannezhad et al. 2022) and of counts with several half-lives; beside
them stand features of the item for all users. A day is the unit of time: several lines of one
basket are one purchase.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.data.histories import DAY, FloatArray, Histories, IntArray, starts

HALF_LIVES_DAYS = (7.0, 30.0, 90.0, 180.0, 365.0)
RECENT_DAYS = 28.0  # half-life of what counts as the present habit
KEPT_BY = 2  # place of the half-life by which the most frequent items are kept
ITEM_HALF_LIVES_DAYS = (14.0, 90.0)
OWN_FEATURES = len(HALF_LIVES_DAYS) + 10
ITEM_FEATURES = len(ITEM_HALF_LIVES_DAYS) + 4
USUAL_GAP_DAYS, GAP_PAIRS = (
    30.0,
    3.0,
)  # of an item: before its users' gaps are known, so many of them


@dataclass(frozen=True)
class OwnItems:
    """Some items of each user: user b has ``starts_B1[b]:starts_B1[b + 1]``."""

    starts_B1: IntArray
    items_N: IntArray
    features_NF: FloatArray

    @property
    def rows_N(self) -> IntArray:
        return np.repeat(np.arange(len(self.starts_B1) - 1), np.diff(self.starts_B1))

    @property
    def places_N(self) -> IntArray:
        """The place of each item among its user's."""
        return np.arange(len(self.items_N)) - np.repeat(
            self.starts_B1[:-1], np.diff(self.starts_B1)
        )


def own_items(histories: Histories, most: int) -> OwnItems:
    """The ``most`` most frequent items of each user, with their features as of ``end``."""
    days = _Days.of(histories)
    row_P, item_P = np.divmod(days.pair_P, histories.item_count)
    features_PF = np.stack(
        [*days.decayed, *days.regularity(), *days.share(histories, row_P)], axis=1
    )
    order_P = np.lexsort((days.last_P, -days.decayed[KEPT_BY], row_P))
    starts_B1 = starts(np.bincount(row_P, minlength=len(histories)))
    kept_P = np.sort(order_P[np.arange(len(order_P)) - starts_B1[row_P] < most])
    counts_B = np.bincount(row_P[kept_P], minlength=len(histories))
    return OwnItems(starts(counts_B), item_P[kept_P], features_PF[kept_P].astype(np.float32))


def item_features(histories: Histories) -> FloatArray:
    """features_IF of items over all users: whether and when they are bought again, and how popular
    they are.

    float32; finite for items without events.
    """
    days = _Days.of(histories)
    items, item_P = histories.item_count, days.pair_P % histories.item_count
    buyers_I = np.bincount(item_P, minlength=items)
    again_I = np.bincount(item_P, days.count_P - 1, minlength=items)
    popularity = [
        np.log(np.bincount(histories.items_N, 0.5 ** (histories.ages_N / days_), items) + 0.1)
        for days_ in ITEM_HALF_LIVES_DAYS
    ]
    again_P = days.count_P > 1
    gap_P = np.log1p((days.first_P - days.last_P)[again_P] / (days.count_P[again_P] - 1))
    gaps_I = np.bincount(item_P[again_P], gap_P, items) + GAP_PAIRS * np.log1p(USUAL_GAP_DAYS)
    columns = [np.log((again_I + 0.5) / (buyers_I + 5.0)), *popularity]
    columns += [popularity[0] - popularity[1], np.log1p(buyers_I)]
    columns.append(gaps_I / (np.bincount(item_P[again_P], minlength=items) + GAP_PAIRS))
    return np.stack(columns, axis=1).astype(np.float32)


@dataclass(frozen=True)
class _Days:
    """The distinct days of each (user, item) pair. ``pair_P``: row of the user * items + item,
    ascending; ``count_P``: days; ``last_P``, ``first_P``: days ago. ``decayed``: of each half-life,
    log(1 + days decayed). ``recent_P``: days decayed by ``RECENT_DAYS``."""

    pair_P: IntArray
    count_P: IntArray
    last_P: npt.NDArray[np.float64]
    first_P: npt.NDArray[np.float64]
    decayed: list[npt.NDArray[np.float64]]
    recent_P: npt.NDArray[np.float64]

    @classmethod
    def of(cls, histories: Histories) -> "_Days":
        pair_N = histories.rows_N * histories.item_count + histories.items_N
        ago_N = histories.end // DAY - histories.times_N // DAY
        order_N = np.lexsort((ago_N, pair_N))
        pair_N, ago_N = pair_N[order_N], ago_N[order_N]
        other_N = np.ones(len(pair_N), bool)
        other_N[1:] = (np.diff(pair_N) != 0) | (np.diff(ago_N) != 0)
        pair_D, ago_D = pair_N[other_N], ago_N[other_N].astype(np.float64)
        begins_D = np.ones(len(pair_D), bool)
        begins_D[1:] = np.diff(pair_D) != 0
        first_D = np.flatnonzero(begins_D)
        which_D, count_P = np.cumsum(begins_D) - 1, np.diff([*first_D, len(pair_D)])

        def decayed(half_life: float) -> npt.NDArray[np.float64]:
            return np.asarray(np.bincount(which_D, 0.5 ** (ago_D / half_life), len(first_D)), float)

        return cls(
            pair_D[first_D],
            count_P,
            ago_D[first_D],
            ago_D[first_D + count_P - 1],
            [np.log1p(decayed(half_life)) for half_life in HALF_LIVES_DAYS],
            decayed(RECENT_DAYS),
        )

    def regularity(self) -> list[npt.NDArray[np.float64]]:
        """Times since the last and the first day, the mean gap, and how much of it has passed."""
        again_P = self.count_P > 1
        gap_P = (self.first_P - self.last_P) / np.maximum(self.count_P - 1, 1)
        return [
            np.log1p(self.last_P),
            np.log1p(self.first_P),
            np.log(self.count_P),
            again_P * np.log1p(gap_P),
            again_P * np.clip(self.last_P / (gap_P + 1), 0, 5),
            1.0 - again_P,
        ]

    def share(self, histories: Histories, row_P: IntArray) -> list[npt.NDArray[np.float64]]:
        """The item's share in the user's days, of all and of late, and how many days there are."""
        span = int(histories.end // DAY) + 1
        day_M = np.unique(histories.rows_N * span + histories.times_N // DAY)
        row_M, ago_M = day_M // span, histories.end // DAY - day_M % span
        days_B = np.bincount(row_M, minlength=len(histories))
        recent_B = np.bincount(row_M, 0.5 ** (ago_M / RECENT_DAYS), len(histories))
        return [
            self.count_P / days_B[row_P],
            self.recent_P / np.maximum(recent_B[row_P], 0.1),
            np.log1p(days_B[row_P]),
            np.log1p(recent_B[row_P]),
        ]
