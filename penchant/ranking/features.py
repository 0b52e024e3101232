"""The features of the ranking model, from columns of the feature service and candidate lists.

Training and serving compute them with this code: there is no training/serving skew. A mart has
values as of the last change of its row; what depends on the moment is computed here. Axes: C
candidates of one or more requests, F features.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]

DAY = 86_400.0  # seconds
FEATURE_TIME = "feature_time"
Kind = Literal["number", "time", "decayed", "text"]

OF_A_SOURCE = ("score", "rank")


@dataclass(frozen=True)
class FeatureColumn:
    """A column of the feature service that the model reads.

    ``kind``: a number as it is; a time, which becomes the days since; an amount that is halved
    every ``half_life_days`` since its row's feature time; or a text, which becomes its place in
    ``values``.
    """

    view: str
    name: str
    kind: Kind
    half_life_days: float = 0.0
    values: tuple[str, ...] = ()

    @cached_property
    def reference(self) -> str:
        """The full name, as Feast writes it: ``view__name``."""
        return f"{self.view}__{self.name}"

    @cached_property
    def feature_time(self) -> str:
        """The key of its row's feature time."""
        return f"{self.view}__{FEATURE_TIME}"


@dataclass(frozen=True)
class Listed:
    """Candidates on a source's list: their scores and ranks (from 1); NaN where not listed."""

    score_C: FloatArray
    rank_C: FloatArray


def feature_names(columns: Sequence[FeatureColumn], sources: Sequence[str]) -> tuple[str, ...]:
    """Names of the features, in order."""
    read = [column.reference for column in columns]
    listed = [f"{source}: {name}" for source in sources for name in OF_A_SOURCE]
    return (*read, *(name for name, needs, _ in DERIVED if set(needs) <= set(read)), *listed)


def ranking_features(
    columns: Sequence[FeatureColumn],
    raw: Mapping[str, npt.NDArray[np.generic]],
    listed: Mapping[str, Listed],
    moment_C: FloatArray | float,
    count: int,
) -> Features:
    """features_CF of ``count`` candidates, in the order of ``feature_names``; NaN where unknown.

    ``raw``: by reference, an array over C, or of one element for all; numbers and times are floats
    with NaN for null, times in whole seconds since 1970, texts objects with None for null, or
    floats that are already places in ``values``. For decayed columns also by ``feature_time``.
    ``listed``: by source, in the order of the names. ``moment_C``: of the requests, in seconds.
    """
    found = {column.reference: feature_value(column, raw, moment_C) for column in columns}
    add_derived(found, (derived for derived in DERIVED if set(derived.needs) <= found.keys()))
    for source, one in listed.items():
        found[f"{source}: score"], found[f"{source}: rank"] = one.score_C, one.rank_C
    features_CF = np.empty((count, len(found)), np.float32)
    fill(features_CF.T, found.values())
    return features_CF


def fill(features_FC: Features, values: Iterable[FloatArray]) -> None:
    """Fill features with values over C, or of one element for all; NaN for an infinite one."""
    for place, values_C in enumerate(values):
        features_FC[place] = values_C
    features_FC[~np.isfinite(features_FC)] = np.nan


def add_derived(found: dict[str, FloatArray], derived: Iterable["Derived"]) -> None:
    """Add features that are made of others, by name."""
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, needs, formula in derived:
            found[name] = formula(*(found[each] for each in needs))


def feature_value(
    column: FeatureColumn,
    raw: Mapping[str, npt.NDArray[np.generic]],
    moment_C: FloatArray | float,
) -> FloatArray:
    """A column's values as of the moment: see ``ranking_features``."""
    values_C = raw[column.reference]
    if column.kind == "text" and values_C.dtype == object:
        place = {value: float(index) for index, value in enumerate(column.values)}
        return np.array([place.get(value, np.nan) for value in values_C.tolist()])
    numbers_C = values_C.astype(np.float64, copy=False)
    if column.kind == "time":
        return days_since(numbers_C, moment_C)
    if column.kind == "decayed":
        times_C = raw[column.feature_time].astype(np.float64, copy=False)
        return decayed(numbers_C, days_since(times_C, moment_C), column.half_life_days)
    return numbers_C


def days_since(times: FloatArray, moment: FloatArray | float) -> FloatArray:
    """Days from times to the moment, both in seconds."""
    return (moment - times) / DAY


def decayed(
    amounts: FloatArray, ages_days: FloatArray, half_life_days: FloatArray | float
) -> FloatArray:
    """Amounts of a feature time that long ago."""
    return np.asarray(amounts * 0.5 ** (ages_days / half_life_days))


Formula = Callable[..., FloatArray]


class Derived(NamedTuple):
    """A feature made of others: the columns that the formula takes, and the formula."""

    name: str
    needs: tuple[str, ...]
    formula: Formula


def _ratio(one: FloatArray, other: FloatArray) -> FloatArray:
    return one / other


def _difference(one: FloatArray, other: FloatArray) -> FloatArray:
    return one - other


def _mean_gap(days: FloatArray, since_first: FloatArray, since_last: FloatArray) -> FloatArray:
    again = days - 1
    return np.where(again > 0, (since_first - since_last) / again, np.nan)


def _due(days: FloatArray, since_first: FloatArray, since_last: FloatArray) -> FloatArray:
    return since_last / _mean_gap(days, since_first, since_last)


def _a_day(days: FloatArray, since_first: FloatArray) -> FloatArray:
    return days / (since_first + 1)


def _orders_since(since_last: FloatArray, orders_91d: FloatArray) -> FloatArray:
    return since_last * orders_91d / 91


PAIR = "user_item_statistics__pair_"
USER = "user_statistics__"
LEAF = "user_leaf_category_statistics__leaf_"
DEMAND = "item_demand__demand_"
PAIR_GAPS = tuple(
    PAIR + each for each in ("purchase_days", "first_purchased_at", "last_purchased_at")
)
LEAF_GAPS = tuple(
    LEAF + each for each in ("purchase_days", "first_purchased_at", "last_purchased_at")
)

DERIVED = (
    Derived("mean gap", PAIR_GAPS, _mean_gap),
    Derived("days since last / mean gap", PAIR_GAPS, _due),
    Derived("purchase days a day", PAIR_GAPS[:2], _a_day),
    Derived(
        "last gap",
        (f"{PAIR}previous_purchased_at", f"{PAIR}last_purchased_at"),
        _difference,
    ),
    Derived("category: days since last / mean gap", LEAF_GAPS, _due),
    Derived("category: bought since", (PAIR_GAPS[2], LEAF_GAPS[2]), _difference),
    Derived(
        "share of category",
        (f"{PAIR}purchases_decayed_90d", f"{LEAF}purchases_decayed_120d"),
        _ratio,
    ),
    Derived("price / price before", (f"{DEMAND}price_7d", f"{DEMAND}price_91d"), _ratio),
    Derived("price / price paid", (f"{DEMAND}price_7d", f"{PAIR}mean_price"), _ratio),
    Derived("trend", (f"{DEMAND}purchases_7d", f"{DEMAND}purchases_91d"), _ratio),
    Derived(
        "share of orders, month", (f"{PAIR}purchases_decayed_30d", f"{USER}orders_28d"), _ratio
    ),
    Derived(
        "share of orders, quarter", (f"{PAIR}purchases_decayed_90d", f"{USER}orders_91d"), _ratio
    ),
    Derived(
        "share of orders, year", (f"{PAIR}purchases_decayed_240d", f"{USER}orders_364d"), _ratio
    ),
    Derived(
        "habit, month / year",
        (f"{PAIR}purchases_decayed_30d", f"{PAIR}purchases_decayed_240d"),
        _ratio,
    ),
    Derived(
        "habit, week / month",
        (f"{PAIR}purchases_decayed_7d", f"{PAIR}purchases_decayed_30d"),
        _ratio,
    ),
    Derived(
        "category: days since last, before last order",
        (LEAF_GAPS[2], f"{USER}days_since_last_order"),
        _difference,
    ),
    Derived("orders since last", (PAIR_GAPS[2], f"{USER}orders_91d"), _orders_since),
    Derived(
        "days since last, before last order",
        (PAIR_GAPS[2], f"{USER}days_since_last_order"),
        _difference,
    ),
)
"""Left out where a column is missing, so that a mart can lose a column."""
