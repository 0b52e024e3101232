"""Next basket: Recall@10, NDCG@10 and PHR@10, also apart for repeat and explore items.

After Li et al. 2023, "A Next Basket Recommendation Reality Check", and Ariannezhad et al. 2022,
ReCANet: an item of the target basket is a *repeat* item if the user had it before, else an
*explore* item. The list is the same for all three populations, the ten best items of the whole
catalogue; a population is the users whose basket has such an item, and only such items are its
targets.
"""

from dataclasses import dataclass

import numpy as np

from training.data.histories import Histories, IntArray
from training.data.split import Window
from training.evaluation.metrics.full_ranking import Scorer, rank
from training.evaluation.metrics.hit_rate import hit_rate
from training.evaluation.metrics.intervals import BoolArray, FloatArray
from training.evaluation.metrics.ndcg import ndcg
from training.evaluation.metrics.recall import recall

K = 10
POPULATIONS = ("all", "repeat", "explore")
METRICS = ("recall@10", "ndcg@10", "phr@10")


@dataclass(frozen=True)
class NextBasket:
    """One population. ``rows_B``: its users, as rows of the evaluated window. ``values``: metric ->
    one value for each of them."""

    rows_B: IntArray
    values: dict[str, FloatArray]


def evaluate_next_basket(score: Scorer, window: Window) -> dict[str, NextBasket]:
    """Evaluate a scorer on the baskets of a window, for each population."""
    scores_UK, items_UK = rank(score, window, K, ("all",))["all"]
    return evaluate_lists(items_UK, window, scores_UK > -np.inf)


def evaluate_lists(
    items_UK: IntArray, window: Window, ranked_UK: BoolArray | None = None
) -> dict[str, NextBasket]:
    """Evaluate lists, best first, of the users of ``window.evaluated()``.

    ``ranked_UK``: which places of the lists are filled; all of them by default.
    """
    evaluated = window.evaluated()
    items = evaluated.targets.item_count
    targets, before = _cells(evaluated.targets), _cells(evaluated.histories)
    repeat = np.isin(targets, before)
    cells_UK = np.arange(len(items_UK))[:, None] * items + items_UK
    filled_UK = np.ones(items_UK.shape, bool) if ranked_UK is None else ranked_UK
    parts = {"all": targets, "repeat": targets[repeat], "explore": targets[~repeat]}
    return {
        name: _population(np.isin(cells_UK, part) & filled_UK, part // items)
        for name, part in parts.items()
    }


def _population(hits_UK: BoolArray, row_N: IntArray) -> NextBasket:
    """``row_N``: the user of each target."""
    targets_U = np.bincount(row_N, minlength=len(hits_UK))
    rows_B = np.flatnonzero(targets_U)
    hits_BK, targets_B = hits_UK[rows_B], targets_U[rows_B]
    values = (metric(hits_BK, targets_B, K) for metric in (recall, ndcg, hit_rate))
    return NextBasket(rows_B, dict(zip(METRICS, values, strict=True)))


def _cells(histories: Histories) -> IntArray:
    """Distinct (user, item) pairs as numbers, sorted: row of the user * items + item."""
    return np.unique(histories.rows_N * histories.item_count + histories.items_N)
