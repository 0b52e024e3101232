"""Recall of a ranked list."""

from training.data.histories import IntArray
from training.evaluation.metrics.intervals import BoolArray, FloatArray


def recall(hits_BK: BoolArray, targets_B: IntArray, k: int) -> FloatArray:
    """Share of each user's targets that are in the first k.

    The denominator is the number of targets, even where it is larger than k.
    """
    return hits_BK[:, :k].astype(float).sum(axis=1) / targets_B
