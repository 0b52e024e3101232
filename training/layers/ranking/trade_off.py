"""What weighing an item's price or its novelty costs in accuracy, and what it brings.

Serving ranks by probability ** a * price ** b + c * novelty (settings of the ranking stage); with
b = c = 0 it ranks by probability alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.data.histories import IntArray
from training.evaluation.metrics.ndcg import ndcg

LENGTH = 10
VALUE_WEIGHTS = (0.0, 0.1, 0.25, 0.5, 1.0)
EXPLORATION_WEIGHTS = (0.0, 0.01, 0.03, 0.1, 0.3)

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TradeOff:
    """Means over users of NDCG@10, and of what the weight brings: the prices of the targets among
    the first ten, or the novelty of the first ten."""

    weight: float
    ndcg: float
    brought: float


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
        score_C = probability_C * known_C**weight
        accuracy, first_C = _accuracy(row_C, score_C, label_C, targets_B)
        value = float((known_C * label_C)[first_C].sum() / len(targets_B))
        found.append(TradeOff(weight, accuracy, value))
    return tuple(found)


def exploration_trade_offs(
    row_C: IntArray,
    probability_C: Doubles,
    novelty_C: Doubles,
    label_C: npt.NDArray[np.bool_],
    targets_B: IntArray,
    weights: Sequence[float] = EXPLORATION_WEIGHTS,
) -> tuple[TradeOff, ...]:
    """One point for each weight of the novelty."""
    found = []
    for weight in weights:
        score_C = probability_C + weight * novelty_C
        accuracy, first_C = _accuracy(row_C, score_C, label_C, targets_B)
        found.append(TradeOff(weight, accuracy, float(novelty_C[first_C].mean())))
    return tuple(found)


def _accuracy(
    row_C: IntArray, score_C: Doubles, label_C: npt.NDArray[np.bool_], targets_B: IntArray
) -> tuple[float, IntArray]:
    """Mean NDCG@10, and the pairs among the first ten of their users."""
    order_C, rank_C = ranked(row_C, score_C, len(targets_B))
    first_C = order_C[rank_C < LENGTH]
    hit_BK = np.zeros((len(targets_B), LENGTH), bool)
    hit_BK[row_C[first_C], rank_C[rank_C < LENGTH]] = label_C[first_C]
    return float(ndcg(hit_BK, targets_B, LENGTH).mean()), first_C


def ranked(row_C: IntArray, score_C: Doubles, users: int) -> tuple[IntArray, IntArray]:
    """Pairs in the order of users and falling scores, and the rank of each from 0."""
    order_C = np.lexsort((-score_C, row_C))
    first_B = np.searchsorted(row_C[order_C], np.arange(users))
    return order_C, np.arange(len(row_C)) - first_B[row_C[order_C]]
