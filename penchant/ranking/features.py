"""The features of the ranking model, from columns of the feature service and candidate lists.

Training and serving compute them with this code: there is no training/serving skew. A mart has
values as of the last change of its row; what depends on the moment is computed here. Axes: C
candidates of one or more requests, F features.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]

DAY = 86_400.0  # seconds
FEATURE_TIME = "feature_time"
Kind = Literal["number", "time", "decayed", "text"]

OF_A_SOURCE = ("score", "rank")
PAIR = "user_item_statistics__pair_"


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

    @property
    def reference(self) -> str:
        """The full name, as Feast writes it: ``view__name``."""
        return f"{self.view}__{self.name}"

    @property
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
    return (*read, *(name for name, needs, _ in DERIVED if needs <= set(read)), *listed)


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
    found: dict[str, FloatArray] = {}
    for column in columns:
        values_C = _value(column, raw, moment_C)
        found[column.reference] = np.broadcast_to(values_C, (count,))
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, needs, formula in DERIVED:
            if needs <= found.keys():
                found[name] = formula(found)
    for source, one in listed.items():
        found[f"{source}: score"], found[f"{source}: rank"] = one.score_C, one.rank_C
    features_CF = np.empty((count, len(found)), np.float32)
    for place, values_C in enumerate(found.values()):
        features_CF[:, place] = values_C
    features_CF[~np.isfinite(features_CF)] = np.nan
    return features_CF


def _value(
    column: FeatureColumn,
    raw: Mapping[str, npt.NDArray[np.generic]],
    moment_C: FloatArray | float,
) -> FloatArray:
    values_C = raw[column.reference]
    if column.kind == "text" and values_C.dtype == object:
        place = {value: float(index) for index, value in enumerate(column.values)}
        return np.array([place.get(value, np.nan) for value in values_C.tolist()])
    numbers_C = values_C.astype(np.float64)
    if column.kind == "time":
        return (moment_C - numbers_C) / DAY
    if column.kind == "decayed":
        age_C = (moment_C - raw[column.feature_time].astype(np.float64)) / DAY
        return np.asarray(numbers_C * 0.5 ** (age_C / column.half_life_days))
    return numbers_C


def _mean_gap(found: Mapping[str, FloatArray]) -> FloatArray:
    known = found[f"{PAIR}first_purchased_at"] - found[f"{PAIR}last_purchased_at"]
    again = found[f"{PAIR}purchase_days"] - 1
    return np.where(again > 0, known / again, np.nan)


def _last_gap(found: Mapping[str, FloatArray]) -> FloatArray:
    return found[f"{PAIR}previous_purchased_at"] - found[f"{PAIR}last_purchased_at"]


Formula = Callable[[Mapping[str, FloatArray]], FloatArray]

DERIVED: tuple[tuple[str, frozenset[str], Formula], ...] = tuple(
    (name, frozenset(PAIR + each for each in needs.split()), formula)
    for name, needs, formula in (
        ("mean gap", "purchase_days first_purchased_at last_purchased_at", _mean_gap),
        (
            "days since last / mean gap",
            "purchase_days first_purchased_at last_purchased_at",
            lambda found: found[f"{PAIR}last_purchased_at"] / _mean_gap(found),
        ),
        ("last gap", "last_purchased_at previous_purchased_at", _last_gap),
        (
            "days since last / last gap",
            "last_purchased_at previous_purchased_at",
            lambda found: found[f"{PAIR}last_purchased_at"] / _last_gap(found),
        ),
        (
            "purchase days a day",
            "purchase_days first_purchased_at",
            lambda found: found[f"{PAIR}purchase_days"] / (found[f"{PAIR}first_purchased_at"] + 1),
        ),
    )
)
"""Features made of others: name, the columns needed, formula. Left out where a column is missing,
so that a mart can lose a column."""
