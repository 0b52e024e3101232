"""Mean reciprocal rank."""

import numpy as np

from training.data.histories import IntArray
from training.evaluation.metrics.intervals import BoolArray, FloatArray


def mrr(hits_BK: BoolArray, targets_B: IntArray, k: int) -> FloatArray:
    """1 / rank of each user's first hit, 0 where there is none in the first k."""
    hits_Bk = hits_BK[:, :k]
    first_B = hits_Bk.argmax(axis=1) if hits_Bk.shape[1] else np.zeros(len(targets_B))
    return hits_Bk.any(axis=1) / (first_B + 1)
