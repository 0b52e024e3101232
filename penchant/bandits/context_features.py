"""What is known of a user and a candidate when a policy is asked: counts before a moment.

The same code answers for the past, pick by pick, when a policy is learned or judged, and for now,
when it serves. Learning keeps the time of all that happened and may ask for any moment; what is
published is one moment's sums. What a policy learned from is therefore what it is told.

Users, items and categories are rows of sorted ids; a row after the last is one that is not known.
Times are seconds since 1970, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from penchant.bandits.slates import BoolArray, FloatArray, IntArray

DAY = 86_400  # seconds
LATELY = 7 * DAY
SMOOTHING = 20.0  # picks that an item's logged answers are worth before any
ALWAYS = np.iinfo(np.int64).min // 4
NAMES = (
    "constant",
    "popularity",
    "interest",
    "bought before",
    "logged answers",
    "rank",
    "shown of late",
    "position",
)
"""The features of a candidate, in the order of their axis."""


class Sums(Protocol):
    """Sums of what happened, by key."""

    def between(self, keys_X: IntArray, start_X: IntArray, end_X: IntArray) -> FloatArray:
        """sums_X in [start, end) of each key, 0 for a key that never was."""


@dataclass(frozen=True)
class Tally:
    """Sums between any two moments. ``codes_N``: key and time of each row in one number, sorted;
    ``sums_N1``: of the rows before each."""

    keys_P: IntArray
    codes_N: IntArray
    sums_N1: FloatArray
    first: int
    span: int

    @classmethod
    def of(
        cls, keys_N: IntArray, times_N: IntArray, weights_N: FloatArray | None = None
    ) -> "Tally":
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

    def totals(self, start: int, end: int) -> "Totals":
        """The sums of one stretch of time, of the keys that have any."""
        whole_P = np.full(len(self.keys_P), end)
        sums_P = self.between(self.keys_P, np.full(len(self.keys_P), start), whole_P)
        kept_P = sums_P != 0
        return Totals(self.keys_P[kept_P], sums_P[kept_P])

    def _before(self, rank_X: IntArray, times_X: IntArray) -> FloatArray:
        since_X = np.clip(times_X - self.first, 0, self.span - 1)
        return self.sums_N1[np.searchsorted(self.codes_N, rank_X * self.span + since_X)]


@dataclass(frozen=True)
class Totals:
    """The sums of one stretch of time: what is published. It does not look at the times."""

    keys_P: IntArray
    sums_P: FloatArray

    def between(self, keys_X: IntArray, start_X: IntArray, end_X: IntArray) -> FloatArray:
        if not len(self.keys_P):
            return np.zeros(keys_X.shape)
        place_X = np.minimum(np.searchsorted(self.keys_P, keys_X), len(self.keys_P) - 1)
        return np.where(self.keys_P[place_X] == keys_X, self.sums_P[place_X], 0.0)


@dataclass(frozen=True)
class Events:
    """What users did: rows of users and of items, and when."""

    users_N: IntArray
    items_N: IntArray
    times_N: IntArray


@dataclass(frozen=True)
class Answers:
    """What was answered to what was shown: rows of items, when it was known, 0 or 1."""

    items_N: IntArray
    times_N: IntArray
    clicked_N: FloatArray


@dataclass(frozen=True)
class Asked:
    """All that is known of the candidates of B requests.

    ``interest_BC``: the share of the user's events that are of the candidate's category.
    ``answers_BC``: the log of the candidate's smoothed click rate over that of all.
    ``shown_BC``: how often it was shown to anybody. ``seen_BC``: how often its category was shown
    to this user of late. ``rank_BC``: its place before the policy chose, 0 for the first.
    ``events_B``: of the user. ``positions_B``: where in the slate. ``present_BC``: where there
    is a candidate at all.
    """

    popularity_BC: FloatArray
    interest_BC: FloatArray
    bought_BC: FloatArray
    answers_BC: FloatArray
    shown_BC: FloatArray
    seen_BC: FloatArray
    rank_BC: FloatArray
    events_B: FloatArray
    positions_B: IntArray
    present_BC: BoolArray


@dataclass(frozen=True)
class Facts:
    """Sums by key: ``of_items`` and ``of_all`` of events, ``bought`` of a user's events by item,
    ``liked`` by category, ``events`` all of them; ``seen`` of what a user was shown by category;
    ``shown`` and ``clicked`` of items, ``all_shown`` and ``all_clicked`` of all.

    ``category_I1``: of each item, and of one that is not known.
    """

    category_I1: IntArray
    categories: int
    sums: Mapping[str, Sums]

    @classmethod
    def of(cls, category_I: IntArray, events: Events, seen: Events, answers: Answers) -> "Facts":
        """Of all that happened. ``seen``: what was shown to whom, answered or not."""
        categories = int(category_I.max(initial=-1)) + 1
        category_I1 = np.append(category_I, categories)
        facts = cls(category_I1, categories, {})
        nought_N, nought_M = np.zeros_like(events.items_N), np.zeros_like(answers.items_N)
        liked_N = facts._of_category(events.users_N, events.items_N)
        tallies = {
            "of_items": Tally.of(events.items_N, events.times_N),
            "of_all": Tally.of(nought_N, events.times_N),
            "bought": Tally.of(facts._of_item(events.users_N, events.items_N), events.times_N),
            "liked": Tally.of(liked_N, events.times_N),
            "events": Tally.of(events.users_N, events.times_N),
            "seen": Tally.of(facts._of_category(seen.users_N, seen.items_N), seen.times_N),
            "shown": Tally.of(answers.items_N, answers.times_N),
            "clicked": Tally.of(answers.items_N, answers.times_N, answers.clicked_N),
            "all_shown": Tally.of(nought_M, answers.times_N),
            "all_clicked": Tally.of(nought_M, answers.times_N, answers.clicked_N),
        }
        return cls(category_I1, categories, tallies)

    @property
    def items(self) -> int:
        return len(self.category_I1) - 1

    def standing(self, moment: int) -> dict[str, npt.NDArray[np.generic]]:
        """The facts of one moment as plain arrays, to be published."""
        arrays: dict[str, npt.NDArray[np.generic]] = {"category_I1": self.category_I1}
        for name, tally in self.sums.items():
            assert isinstance(tally, Tally)  # what was published is not published again
            totals = tally.totals(moment - LATELY if name == "seen" else ALWAYS, moment)
            arrays |= {f"{name}_keys": totals.keys_P, f"{name}_sums": totals.sums_P}
        return arrays

    @classmethod
    def of_standing(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> "Facts":
        """The facts that were published: whatever moment is asked for, they are of theirs."""
        category_I1 = arrays["category_I1"].astype(np.int64)
        ends = "_keys"
        names = [name.removesuffix(ends) for name in arrays if name.endswith(ends)]
        sums = {
            name: Totals(arrays[f"{name}_keys"], arrays[f"{name}_sums"])  # type: ignore[arg-type]
            for name in names
        }
        return cls(category_I1, int(category_I1[-1]), sums)

    def asked(
        self,
        users_B: IntArray,
        items_BC: IntArray,
        moments_B: IntArray,
        positions_B: IntArray,
        rank_BC: FloatArray,
        present_BC: BoolArray,
    ) -> Asked:
        """What is known at each request's moment."""
        moment_BC = np.broadcast_to(moments_B[:, None], items_BC.shape)
        user_BC = np.broadcast_to(users_B[:, None], items_BC.shape)

        def until(name: str, keys_X: IntArray, moments_X: IntArray) -> FloatArray:
            always_X = np.full(keys_X.shape, ALWAYS)
            return self.sums[name].between(keys_X, always_X, moments_X)

        nobody_B = np.zeros_like(users_B)
        events_B = until("events", users_B, moments_B)
        an_item_B = until("of_all", nobody_B, moments_B) / max(1, self.items)
        all_shown_B = until("all_shown", nobody_B, moments_B)
        rate_B = (until("all_clicked", nobody_B, moments_B) + 1) / (all_shown_B + 2)
        shown_BC = until("shown", items_BC, moment_BC)
        clicked_BC = until("clicked", items_BC, moment_BC)
        expected_BC = (shown_BC + SMOOTHING) * rate_B[:, None]
        category_BC = self._of_category(user_BC, items_BC)
        seen_BC = self.sums["seen"].between(category_BC, moment_BC - LATELY, moment_BC)
        liked_BC = until("liked", category_BC, moment_BC)
        popular_BC = np.log1p(until("of_items", items_BC, moment_BC))
        return Asked(
            popularity_BC=popular_BC - np.log1p(an_item_B)[:, None],
            interest_BC=liked_BC / np.maximum(events_B, 1)[:, None],
            bought_BC=until("bought", self._of_item(user_BC, items_BC), moment_BC),
            answers_BC=np.log((clicked_BC + SMOOTHING * rate_B[:, None]) / expected_BC),
            shown_BC=shown_BC,
            seen_BC=seen_BC,
            rank_BC=rank_BC,
            events_B=events_B,
            positions_B=positions_B,
            present_BC=present_BC,
        )

    def _of_item(self, users_X: IntArray, items_X: IntArray) -> IntArray:
        return users_X.astype(np.int64) * len(self.category_I1) + items_X

    def _of_category(self, users_X: IntArray, items_X: IntArray) -> IntArray:
        return users_X.astype(np.int64) * (self.categories + 1) + self.category_I1[items_X]


def features(asked: Asked) -> FloatArray:
    """features_BCD of about 1, in the order of ``NAMES``."""
    shape = asked.present_BC.shape
    return np.stack(
        [
            np.ones(shape),
            0.25 * asked.popularity_BC,
            np.sqrt(asked.interest_BC),
            np.log1p(asked.bought_BC),
            asked.answers_BC,
            -np.log1p(asked.rank_BC),
            np.log1p(asked.seen_BC),
            np.broadcast_to(-np.log1p(asked.positions_B)[:, None], shape),
        ],
        axis=2,
    )
