"""Normalized discounted cumulative gain, with binary relevance."""

import numpy as np

from training.data.histories import IntArray
from training.evaluation.metrics.intervals import BoolArray, FloatArray


def ndcg(hits_BK: BoolArray, targets_B: IntArray, k: int) -> FloatArray:
    """NDCG@k of each user (Järvelin & Kekäläinen 2002).

    The ideal list begins with min(k, targets) hits.
    """
    hits_Bk = hits_BK[:, :k].astype(float)
    discounts_k = 1 / np.log2(np.arange(2, k + 2))
    ideal_B = np.cumsum(discounts_k)[np.minimum(targets_B, k) - 1]
    return hits_Bk @ discounts_k[: hits_Bk.shape[1]] / ideal_B
