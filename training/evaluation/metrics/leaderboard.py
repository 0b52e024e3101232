"""The metrics of the leaderboard. To add one, write its file in this package and its line here."""

from collections.abc import Callable

from training.data.histories import IntArray
from training.evaluation.metrics.coverage import coverage
from training.evaluation.metrics.gini import gini
from training.evaluation.metrics.hit_rate import hit_rate
from training.evaluation.metrics.intervals import BoolArray, FloatArray
from training.evaluation.metrics.intra_list_diversity import intra_list_diversity
from training.evaluation.metrics.mrr import mrr
from training.evaluation.metrics.ndcg import ndcg
from training.evaluation.metrics.novelty import novelty
from training.evaluation.metrics.recall import recall
from training.evaluation.metrics.recommended_lists import RecommendedLists

RANKS = (10, 20)

ACCURACY: dict[str, Callable[[BoolArray, IntArray, int], FloatArray]] = {
    "ndcg": ndcg,
    "recall": recall,
    "hr": hit_rate,
    "mrr": mrr,
}
"""One value for each of B users, at each of ``RANKS``. ``hits_BK``: is the item at rank k a target;
``targets_B``: number of targets, at least 1."""

BEYOND_ACCURACY: dict[str, Callable[[RecommendedLists], float | None]] = {
    "coverage": coverage,
    "novelty": novelty,
    "intra_list_diversity": intra_list_diversity,
    "gini": gini,
}
"""One value of all lists together."""


def accuracy(hits_BK: BoolArray, targets_B: IntArray) -> dict[str, FloatArray]:
    """Every metric of ``ACCURACY`` at every rank: "ndcg@10" -> values_B."""
    return {
        f"{name}@{k}": metric(hits_BK, targets_B, k)
        for k in RANKS
        for name, metric in ACCURACY.items()
    }


def beyond_accuracy(lists: RecommendedLists) -> dict[str, float | None]:
    """Every metric of ``BEYOND_ACCURACY``."""
    return {name: metric(lists) for name, metric in BEYOND_ACCURACY.items()}
