"""Item features of a release, from the values that were published with its ranking model."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from penchant.ranking.feature_blocks import BlockPlan
from penchant.ranking.features import FEATURE_TIME, Features, FloatArray
from penchant.releases.item_arrays import BoolArray, IntArray

Raw = dict[str, FloatArray]


@dataclass(frozen=True)
class ItemFeatures:
    """``values_I``: raw values and row times by name, mapped from a file. ``plan``: how features
    are made of them. They depend on nothing of a request: its moment is the release's."""

    values_I: npt.NDArray[np.void]
    plan: BlockPlan
    moment: float

    def raw(self, items_N: IntArray, names: Iterable[str]) -> Raw:
        """Raw values of items by name, of the names that are known."""
        known = self.values_I.dtype.names or ()
        return {name: self.values_I[name][items_N] for name in names if name in known}

    def of(self, items_N: IntArray) -> Features:
        """features_FN of items, in the order of the plan."""
        return self.plan.compute(self.raw(items_N, self.plan.reads), self.moment, len(items_N))

    def have_rows(self, view: str) -> BoolArray:
        """have_row_I: which items have a row of a view."""
        return np.isfinite(self.values_I[f"{view}__{FEATURE_TIME}"])
