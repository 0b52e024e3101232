"""Features of a user's own items: how often, how recently and how regularly each was bought.

They are those of ReCANet (Ariannezhad et al. 2022) and of counts with several half-lives; beside
them stand features of the item for all users. A day is the unit of time: several lines of one
basket are one purchase.
"""

from dataclasses import dataclass
from functools import cached_property

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
    decayed = [np.log1p(days.decayed(half_life)) for half_life in HALF_LIVES_DAYS]
    features_PF = np.stack([*decayed, *days.regularity(), *days.share(histories, row_P)], axis=1)
    order_P = np.lexsort((days.last_P, -decayed[KEPT_BY], row_P))
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
    ascending; ``count_P``: days; ``ago_D``: days ago of each, a pair's together, the newest
    first."""

    pair_P: IntArray
    count_P: IntArray
    ago_D: npt.NDArray[np.float64]

    @classmethod
    def of(cls, histories: Histories) -> "_Days":
        ago_N = histories.end // DAY - histories.times_N // DAY
        span = int(ago_N.max(initial=0)) + 1
        pair_N = histories.rows_N * histories.item_count + histories.items_N
        day_N = np.sort(pair_N * span + ago_N)
        day_D = day_N[_begins(day_N)]
        pair_D, ago_D = np.divmod(day_D, span)
        first_P = np.flatnonzero(_begins(pair_D))
        pair_P, count_P = pair_D[first_P], np.diff([*first_P, len(pair_D)])
        return cls(pair_P, count_P, ago_D.astype(np.float64))

    @cached_property
    def last_P(self) -> npt.NDArray[np.float64]:
        """Days ago of the newest day."""
        return self.ago_D[np.cumsum(self.count_P) - self.count_P]

    @cached_property
    def first_P(self) -> npt.NDArray[np.float64]:
        """Days ago of the oldest day."""
        return self.ago_D[np.cumsum(self.count_P) - 1]

    def decayed(self, half_life_days: float) -> npt.NDArray[np.float64]:
        """Days, each worth half after this many days."""
        pairs = len(self.pair_P)
        pair_D = np.repeat(np.arange(pairs), self.count_P)
        return np.asarray(np.bincount(pair_D, 0.5 ** (self.ago_D / half_life_days), pairs), float)

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
        day_N = np.sort(histories.rows_N * span + histories.times_N // DAY)
        day_M = day_N[_begins(day_N)]
        row_M, ago_M = day_M // span, histories.end // DAY - day_M % span
        days_B = np.bincount(row_M, minlength=len(histories))
        recent_B = np.bincount(row_M, 0.5 ** (ago_M / RECENT_DAYS), len(histories))
        return [
            self.count_P / days_B[row_P],
            self.decayed(RECENT_DAYS) / np.maximum(recent_B[row_P], 0.1),
            np.log1p(days_B[row_P]),
            np.log1p(recent_B[row_P]),
        ]


def _begins(sorted_N: IntArray) -> npt.NDArray[np.bool_]:
    """Whether a value differs from the one before."""
    begins_N = np.ones(len(sorted_N), bool)
    begins_N[1:] = sorted_N[1:] != sorted_N[:-1]
    return begins_N
