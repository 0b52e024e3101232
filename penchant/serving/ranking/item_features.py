"""Item features of a release, from the values that were published with its ranking model."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from penchant.ranking.feature_blocks import BlockPlan
from penchant.ranking.features import Features, FloatArray
from penchant.releases.item_arrays import IntArray


@dataclass(frozen=True)
class ItemFeatures:
    """``values_I``: raw values and row times by name, mapped from a file. ``plan``: how features
    are made of them. They depend on nothing of a request: its moment is the release's."""

    values_I: npt.NDArray[np.void]
    plan: BlockPlan
    moment: float

    def raw(self, items_N: IntArray) -> Mapping[str, FloatArray]:
        """The raw values of items by name."""
        values_N = self.values_I[items_N]
        return {name: values_N[name] for name in values_N.dtype.names or ()}

    def of(self, items_N: IntArray) -> Features:
        """features_FN of items, in the order of the plan."""
        return self.plan.compute(self.raw(items_N), self.moment, len(items_N))
