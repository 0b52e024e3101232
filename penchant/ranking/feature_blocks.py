"""Features of one request in blocks, by what they depend on: the user, an item, a pair.

Of 500 candidates, most have no row with the user, and all share a few dozen categories: a block has
each different row once, and the candidates' places in it. Values are those of ``ranking_features``,
by the same functions. Axes: C candidates, F features of a block, R its rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from penchant.ranking.features import (
    DERIVED,
    OF_A_SOURCE,
    Derived,
    FeatureColumn,
    Features,
    FloatArray,
    Kind,
    add_derived,
    days_since,
    decayed,
)

USER, ITEM, PAIR, CANDIDATE = "user", "item", "pair", "candidate"
"""What a block's rows are of, beside the names of groups of items such as ``leaf_category``."""

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class BlockPlan:
    """How a block is computed. ``features``: their places among all features of the model.
    ``columns``: that are read or that ``derived`` takes, of ``own`` as many are features."""

    features: tuple[int, ...]
    columns: tuple[FeatureColumn, ...]
    own: int
    derived: tuple[Derived, ...]

    @cached_property
    def reads(self) -> frozenset[str]:
        """Names of the raw values that it is computed from."""
        times = (each.feature_time for each in self.columns if each.kind == "decayed")
        return frozenset([*(each.reference for each in self.columns), *times])

    def compute(
        self, raw: Mapping[str, npt.NDArray[np.generic]], moment: float, count: int
    ) -> Features:
        """features_FR of ``count`` rows. ``raw``: as of ``ranking_features``, texts as places."""
        values_KR = np.empty((len(self.columns), count))
        for place, each in enumerate(self.columns):
            values_KR[place] = raw[each.reference]
        if len(times := self._of_kind["time"]):
            values_KR[times] = days_since(values_KR[times], moment)
        if len(amounts := self._of_kind["decayed"]):
            times_VR = np.empty((len(self._feature_times), count))
            for place, name in enumerate(self._feature_times):
                times_VR[place] = raw[name]
            age_KR = days_since(times_VR, moment)[self._time_of_amount]
            values_KR[amounts] = decayed(values_KR[amounts], age_KR, self._half_life_K1)
        features_FR = np.empty((self.own + len(self.derived), count), np.float32)
        features_FR[: self.own] = values_KR[: self.own]
        found = dict(zip((each.reference for each in self.columns), values_KR, strict=True))
        add_derived(found, self.derived)
        for place, one in enumerate(self.derived, start=self.own):
            features_FR[place] = found[one.name]
        features_FR[~np.isfinite(features_FR)] = np.nan
        return features_FR

    @cached_property
    def _of_kind(self) -> dict[Kind, IntArray]:
        """Places of the columns of each kind that is not used as it is."""
        kinds: tuple[Kind, ...] = ("time", "decayed")
        return {
            kind: np.array(
                [place for place, each in enumerate(self.columns) if each.kind == kind], np.int64
            )
            for kind in kinds
        }

    @cached_property
    def _feature_times(self) -> list[str]:
        return sorted({each.feature_time for each in self.columns if each.kind == "decayed"})

    @cached_property
    def _time_of_amount(self) -> IntArray:
        """For each decayed column, the place of its feature time."""
        amounts = (each for each in self.columns if each.kind == "decayed")
        return np.array([self._feature_times.index(each.feature_time) for each in amounts])

    @cached_property
    def _half_life_K1(self) -> FloatArray:
        amounts = (each for each in self.columns if each.kind == "decayed")
        return np.array([each.half_life_days for each in amounts])[:, None]


NO_FEATURES = BlockPlan((), (), 0, ())


@dataclass(frozen=True)
class Block:
    """``place_C``: the row of each candidate, -1 where it has none and all features are missing;
    None where each has its own, or all have one."""

    features: tuple[int, ...]
    features_FR: Features
    place_C: IntArray | None


@dataclass(frozen=True)
class BlockPlans:
    """``of``: by what a block's rows are of. ``listed``: the places of the features of sources."""

    of: dict[str, BlockPlan]
    listed: tuple[int, ...]

    @classmethod
    def make(
        cls,
        columns: Sequence[FeatureColumn],
        sources: Sequence[str],
        row_of_view: Mapping[str, str],
    ) -> "BlockPlans":
        """``row_of_view``: what the rows of each column's view are of."""
        by_name = {column.reference: column for column in columns}
        derived = [each for each in DERIVED if set(each.needs) <= by_name.keys()]
        own: dict[str, list[tuple[int, FeatureColumn]]] = {}
        made: dict[str, list[tuple[int, Derived]]] = {}
        for place, column in enumerate(columns):
            own.setdefault(row_of_view[column.view], []).append((place, column))
        for place, one in enumerate(derived, start=len(columns)):
            row = _narrowest({row_of_view[by_name[name].view] for name in one.needs})
            made.setdefault(row, []).append((place, one))
        plans = {}
        for row in own | made:
            read, of_others = own.get(row, []), made.get(row, [])
            needed = {name for _, one in of_others for name in one.needs}
            needed -= {column.reference for _, column in read}
            plans[row] = BlockPlan(
                tuple(place for place, _ in (*read, *of_others)),
                (*(column for _, column in read), *(by_name[name] for name in sorted(needed))),
                len(read),
                tuple(one for _, one in of_others),
            )
        first = len(columns) + len(derived)
        return cls(plans, tuple(range(first, first + len(sources) * len(OF_A_SOURCE))))


def matrix(blocks: Sequence[Block], count: int) -> Features:
    """features_CF of all blocks, as ``ranking_features`` returns them."""
    features_CF = np.empty((count, sum(len(block.features) for block in blocks)), np.float32)
    for block in blocks:
        values_FC = block.features_FR
        if block.place_C is not None:
            missing_F1 = np.full((len(block.features), 1), np.nan, np.float32)
            values_FC = np.concatenate([values_FC, missing_F1], axis=1)[:, block.place_C]
        features_CF[:, block.features] = values_FC.T
    return features_CF


def _narrowest(rows: set[str]) -> str:
    """What a feature's rows are of that is made of columns of these."""
    others = rows - {USER}
    if PAIR in others:
        return PAIR
    return others.pop() if len(others) == 1 else CANDIDATE if others else USER


def spread(values_R: npt.NDArray[np.generic], place_N: IntArray) -> FloatArray:
    """The values at these rows; NaN at -1, None of objects."""
    empty = np.array([None if values_R.dtype == object else np.nan], values_R.dtype)
    spread_N: FloatArray = np.concatenate([values_R, empty])[place_N]
    return spread_N
