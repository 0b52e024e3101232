"""Context features of a user and a candidate: counts of what happened before a moment.

Training and off-policy evaluation compute them at the time of each logged action, serving at the
end of the snapshot, with the same code: there is no training/serving skew. Training keeps all
times and can compute any moment; a release has the sums of one moment.

Users, items and categories are rows of sorted ids; the row after the last is an unknown one. Times
are seconds since 1970, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from penchant.bandits.slates import BoolArray, FloatArray, IntArray

DAY = 86_400  # seconds
RECENT = 7 * DAY
SMOOTHING = 20.0  # impressions that the prior of an item's click rate is worth
BEGINNING = np.iinfo(np.int64).min // 4
FEATURE_NAMES = (
    "constant",
    "popularity",
    "interest",
    "bought before",
    "click rate",
    "rank",
    "category shown recently",
    "position",
)
"""The features of a candidate, in the order of their axis."""


class Sums(Protocol):
    """Sums of events by key."""

    def between(self, keys_X: IntArray, start_X: IntArray, end_X: IntArray) -> FloatArray:
        """sums_X in [start, end) of each key, 0 for an unknown key."""


@dataclass(frozen=True)
class TimedSums:
    """Sums between any two moments. ``codes_N``: key and time of each row as one number, sorted;
    ``sums_N1``: cumulative sums."""

    keys_P: IntArray
    codes_N: IntArray
    sums_N1: FloatArray
    first: int
    span: int

    @classmethod
    def of(
        cls, keys_N: IntArray, times_N: IntArray, weights_N: FloatArray | None = None
    ) -> "TimedSums":
        weights_N = np.ones(len(keys_N)) if weights_N is None else weights_N
        first = int(times_N.min(initial=0)) if len(times_N) else 0
        span = int(times_N.max(initial=0)) - first + 2 if len(times_N) else 1
        keys_P, rank_N = np.unique(keys_N, return_inverse=True)
        codes_N = rank_N.astype(np.int64) * span + (times_N - first)
        order_N = np.argsort(codes_N, kind="stable")
        sums_N1 = np.concatenate([[0.0], np.cumsum(weights_N[order_N])])
        return cls(keys_P, codes_N[order_N], sums_N1, first, span)

    def between(self, keys_X: IntArray, start_X: IntArray, end_X: IntArray) -> FloatArray:
        if not len(self.keys_P):
            return np.zeros(keys_X.shape)
        rank_X = np.minimum(np.searchsorted(self.keys_P, keys_X), len(self.keys_P) - 1)
        here_X = self.keys_P[rank_X] == keys_X
        sums_X = self._before(rank_X, end_X) - self._before(rank_X, start_X)
        return np.where(here_X, sums_X, 0.0)

    def totals(self, start: int, end: int) -> "FixedSums":
        """The sums of one period, of the keys that have any."""
        whole_P = np.full(len(self.keys_P), end)
        sums_P = self.between(self.keys_P, np.full(len(self.keys_P), start), whole_P)
        kept_P = sums_P != 0
        return FixedSums(self.keys_P[kept_P], sums_P[kept_P])

    def _before(self, rank_X: IntArray, times_X: IntArray) -> FloatArray:
        since_X = np.clip(times_X - self.first, 0, self.span - 1)
        return self.sums_N1[np.searchsorted(self.codes_N, rank_X * self.span + since_X)]


@dataclass(frozen=True)
class FixedSums:
    """The sums of one period, as a release has them. ``between`` ignores the times."""

    keys_P: IntArray
    sums_P: FloatArray

    def between(self, keys_X: IntArray, start_X: IntArray, end_X: IntArray) -> FloatArray:
        if not len(self.keys_P):
            return np.zeros(keys_X.shape)
        place_X = np.minimum(np.searchsorted(self.keys_P, keys_X), len(self.keys_P) - 1)
        return np.where(self.keys_P[place_X] == keys_X, self.sums_P[place_X], 0.0)


@dataclass(frozen=True)
class Events:
    """Events: rows of users and of items, and times."""

    users_N: IntArray
    items_N: IntArray
    times_N: IntArray


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of impressions: rows of items, the time when the outcome was known, 0 or 1."""

    items_N: IntArray
    times_N: IntArray
    clicked_N: FloatArray


@dataclass(frozen=True)
class ContextFeatures:
    """Features of the candidates of B requests.

    ``popularity_BC``: log(1 + the item's events), less that of an average item. ``interest_BC``:
    the share of the user's events that are of the candidate's category. ``bought_BC``: the user's
    events with the item. ``click_rate_BC``: the log of the candidate's smoothed click rate over
    that of all. ``shown_BC``: its impressions. ``category_shown_BC``: recent impressions of its
    category to this user. ``rank_BC``: its place among the candidates, 0 for the first.
    ``events_B``: of the user. ``positions_B``: in the slate. ``present_BC``: where there is a
    candidate.
    """

    popularity_BC: FloatArray
    interest_BC: FloatArray
    bought_BC: FloatArray
    click_rate_BC: FloatArray
    shown_BC: FloatArray
    category_shown_BC: FloatArray
    rank_BC: FloatArray
    events_B: FloatArray
    positions_B: IntArray
    present_BC: BoolArray


@dataclass(frozen=True)
class ContextCounts:
    """Sums by key, which context features are computed from.

    ``user_category_impressions`` are of all impressions; those of items are of impressions whose
    outcome is known. ``category_I1``: of each item and, last, of an unknown one.
    """

    category_I1: IntArray
    categories: int
    sums: Mapping[str, Sums]

    @classmethod
    def of(
        cls, category_I: IntArray, events: Events, impressions: Events, outcomes: Outcomes
    ) -> "ContextCounts":
        """Sums with their times. ``impressions``: all, also those without an outcome yet."""
        categories = int(category_I.max(initial=-1)) + 1
        category_I1 = np.append(category_I, categories)
        counts = cls(category_I1, categories, {})
        zero_N, zero_M = np.zeros_like(events.items_N), np.zeros_like(outcomes.items_N)
        user_category_N = counts._of_category(events.users_N, events.items_N)
        sums = {
            "item_events": TimedSums.of(events.items_N, events.times_N),
            "all_events": TimedSums.of(zero_N, events.times_N),
            "user_item_events": TimedSums.of(
                counts._of_item(events.users_N, events.items_N), events.times_N
            ),
            "user_category_events": TimedSums.of(user_category_N, events.times_N),
            "user_events": TimedSums.of(events.users_N, events.times_N),
            "user_category_impressions": TimedSums.of(
                counts._of_category(impressions.users_N, impressions.items_N), impressions.times_N
            ),
            "item_impressions": TimedSums.of(outcomes.items_N, outcomes.times_N),
            "item_clicks": TimedSums.of(outcomes.items_N, outcomes.times_N, outcomes.clicked_N),
            "all_impressions": TimedSums.of(zero_M, outcomes.times_N),
            "all_clicks": TimedSums.of(zero_M, outcomes.times_N, outcomes.clicked_N),
        }
        return cls(category_I1, categories, sums)

    @property
    def items(self) -> int:
        return len(self.category_I1) - 1

    def arrays_at(self, moment: int) -> dict[str, npt.NDArray[np.generic]]:
        """The sums up to a moment, as plain arrays."""
        arrays: dict[str, npt.NDArray[np.generic]] = {"category_I1": self.category_I1}
        for name, timed in self.sums.items():
            assert isinstance(timed, TimedSums)  # published sums have no times
            fixed = timed.totals(
                moment - RECENT if name == "user_category_impressions" else BEGINNING, moment
            )
            arrays |= {f"{name}_keys": fixed.keys_P, f"{name}_sums": fixed.sums_P}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> "ContextCounts":
        """The sums that ``arrays_at`` gave; a later ``moment`` does not change them."""
        category_I1 = arrays["category_I1"].astype(np.int64)
        ends = "_keys"
        names = [name.removesuffix(ends) for name in arrays if name.endswith(ends)]
        sums = {
            name: FixedSums(arrays[f"{name}_keys"], arrays[f"{name}_sums"])  # type: ignore[arg-type]
            for name in names
        }
        return cls(category_I1, int(category_I1[-1]), sums)

    def features(
        self,
        users_B: IntArray,
        items_BC: IntArray,
        moments_B: IntArray,
        positions_B: IntArray,
        rank_BC: FloatArray,
        present_BC: BoolArray,
    ) -> ContextFeatures:
        """The features of B requests at their moments."""
        moment_BC = np.broadcast_to(moments_B[:, None], items_BC.shape)
        user_BC = np.broadcast_to(users_B[:, None], items_BC.shape)

        def until(name: str, keys_X: IntArray, moments_X: IntArray) -> FloatArray:
            beginning_X = np.full(keys_X.shape, BEGINNING)
            return self.sums[name].between(keys_X, beginning_X, moments_X)

        zero_B = np.zeros_like(users_B)
        events_B = until("user_events", users_B, moments_B)
        average_B = until("all_events", zero_B, moments_B) / max(1, self.items)
        all_shown_B = until("all_impressions", zero_B, moments_B)
        rate_B = (until("all_clicks", zero_B, moments_B) + 1) / (all_shown_B + 2)
        shown_BC = until("item_impressions", items_BC, moment_BC)
        clicked_BC = until("item_clicks", items_BC, moment_BC)
        expected_BC = (shown_BC + SMOOTHING) * rate_B[:, None]
        category_BC = self._of_category(user_BC, items_BC)
        category_shown_BC = self.sums["user_category_impressions"].between(
            category_BC, moment_BC - RECENT, moment_BC
        )
        interest_events_BC = until("user_category_events", category_BC, moment_BC)
        popularity_BC = np.log1p(until("item_events", items_BC, moment_BC))
        return ContextFeatures(
            popularity_BC=popularity_BC - np.log1p(average_B)[:, None],
            interest_BC=interest_events_BC / np.maximum(events_B, 1)[:, None],
            bought_BC=until("user_item_events", self._of_item(user_BC, items_BC), moment_BC),
            click_rate_BC=np.log((clicked_BC + SMOOTHING * rate_B[:, None]) / expected_BC),
            shown_BC=shown_BC,
            category_shown_BC=category_shown_BC,
            rank_BC=rank_BC,
            events_B=events_B,
            positions_B=positions_B,
            present_BC=present_BC,
        )

    def _of_item(self, users_X: IntArray, items_X: IntArray) -> IntArray:
        return users_X.astype(np.int64) * len(self.category_I1) + items_X

    def _of_category(self, users_X: IntArray, items_X: IntArray) -> IntArray:
        return users_X.astype(np.int64) * (self.categories + 1) + self.category_I1[items_X]


def feature_matrix(context: ContextFeatures) -> FloatArray:
    """features_BCD scaled to about 1, in the order of ``FEATURE_NAMES``."""
    shape = context.present_BC.shape
    return np.stack(
        [
            np.ones(shape),
            0.25 * context.popularity_BC,
            np.sqrt(context.interest_BC),
            np.log1p(context.bought_BC),
            context.click_rate_BC,
            -np.log1p(context.rank_BC),
            np.log1p(context.category_shown_BC),
            np.broadcast_to(-np.log1p(context.positions_B)[:, None], shape),
        ],
        axis=2,
    )
