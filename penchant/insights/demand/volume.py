"""Volume classes: series of similar volume have one method and one calibration."""

import numpy as np
import numpy.typing as npt

from penchant.insights.demand.series import Floats

RECENT_WEEKS = 26
FAST, MEDIUM = 10.0, 1.0  # pieces a week
CLASSES = ("slow", "medium", "fast", "category", "shop")
"""Of items by their mean pieces a week over the last half year; then the two levels above."""

Classes = npt.NDArray[np.object_]


def volume_classes(weekly_NT: Floats, categories: int) -> Classes:
    """The class of each node: the items, then the categories, then the shop."""
    mean_N = weekly_NT[:, -RECENT_WEEKS:].mean(axis=1)
    items = np.select([mean_N >= FAST, mean_N >= MEDIUM], ["fast", "medium"], "slow")
    return np.array([*items, *["category"] * categories, "shop"], dtype=object)
