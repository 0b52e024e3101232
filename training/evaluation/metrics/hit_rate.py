"""Hit rate of a ranked list."""

from training.data.histories import IntArray
from training.evaluation.metrics.intervals import BoolArray, FloatArray


def hit_rate(hits_BK: BoolArray, targets_B: IntArray, k: int) -> FloatArray:
    """1 for each user with a target in the first k, else 0."""
    return hits_BK[:, :k].any(axis=1).astype(float)
