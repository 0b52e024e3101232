"""What weighing an item's price costs in accuracy, and what it brings in value.

Serving ranks by probability ** a * price ** b (settings of the ranking stage); b = 0 ranks by
probability alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.data.histories import IntArray
from training.evaluation.metrics.ndcg import ndcg

LENGTH = 10
VALUE_WEIGHTS = (0.0, 0.1, 0.25, 0.5, 1.0)

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TradeOff:
    """Means over users of NDCG@10, and of the prices of the targets among the first ten."""

    value_weight: float
    ndcg: float
    value: float


def trade_offs(
    row_C: IntArray,
    probability_C: Doubles,
    price_C: Doubles,
    label_C: npt.NDArray[np.bool_],
    targets_B: IntArray,
    weights: Sequence[float] = VALUE_WEIGHTS,
) -> tuple[TradeOff, ...]:
    """One point for each weight of the price. ``price_C``: NaN where unknown, which counts as the
    median. ``targets_B``: of each user, at least 1."""
    typical = float(np.nanmedian(price_C)) if np.isfinite(price_C).any() else 1.0
    known_C = np.maximum(np.where(np.isfinite(price_C), price_C, typical), 1e-9)
    found = []
    for weight in weights:
        order_C, rank_C = ranked(row_C, probability_C * known_C**weight, len(targets_B))
        first_C = order_C[rank_C < LENGTH]
        hit_BK = np.zeros((len(targets_B), LENGTH), bool)
        hit_BK[row_C[first_C], rank_C[rank_C < LENGTH]] = label_C[first_C]
        value = float((known_C * label_C)[first_C].sum() / len(targets_B))
        found.append(TradeOff(weight, float(ndcg(hit_BK, targets_B, LENGTH).mean()), value))
    return tuple(found)


def ranked(row_C: IntArray, score_C: Doubles, users: int) -> tuple[IntArray, IntArray]:
    """Pairs in the order of users and falling scores, and the rank of each from 0."""
    order_C = np.lexsort((-score_C, row_C))
    first_B = np.searchsorted(row_C[order_C], np.arange(users))
    return order_C, np.arange(len(row_C)) - first_B[row_C[order_C]]
