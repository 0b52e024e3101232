"""What an edit of the feature marts does to the ranking model, by a fast refit of both versions.

A small ``lambdamart`` is fitted on the features as they are live and as edited, on the same users
and candidates, and both are evaluated on the validation window. The test window is not looked at:
an analyst may try many edits.
"""

import time
from dataclasses import dataclass, replace

import numpy as np

from penchant.artifacts import Snapshot
from penchant.settings import Settings
from training.commands.train import context_for, interactions
from training.data.feature_history import FeatureHistory
from training.data.histories import Dataset, IntArray, read_dataset
from training.data.split import Window, split_by_time
from training.evaluation.metrics.full_ranking import evaluate_window
from training.evaluation.metrics.intervals import BoolArray, FloatArray, Interval, bootstrap
from training.families.lambdamart import Config, Model
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.fitting.progress import Recorder
from training.layers.ranking.candidate_ranker import SOURCES
from training.layers.ranking.examples import features_of, pairs_of
from training.layers.ranking.trees import TreesConfig

FAMILY = "lambdamart"
FAST = Config(
    fortnights=(1, 2, 3),
    users=400,
    sources=tuple(one for one in SOURCES if one.family in ("personal_frequency", "popularity")),
    trees=TreesConfig(trees=30),
)
FITS = 2
"""Of each version, with other seeds: the trees draw rows and columns, so one fit differs from the
next by chance."""


@dataclass(frozen=True)
class Change:
    """A mean over users before and after, and the mean of the paired differences."""

    before: float
    after: float
    difference: Interval


@dataclass(frozen=True)
class FeatureComparison:
    """``users``: of the validation window. ``ndcg``: of the first ten of all items. ``auc``: of the
    candidates, over users with some that they chose and some that they didn't; None without."""

    users: int
    ndcg: Change
    auc: Change | None
    seconds: float


def compare_features(settings: Settings, before: Snapshot, after: Snapshot) -> FeatureComparison:
    """Fit and evaluate the ranking model on the features of two snapshots with the same events.

    Raises DataError where the data covers too little time to learn from, and BudgetExceeded.
    """
    started = time.monotonic()
    dataset = read_dataset(before)
    split = split_by_time(dataset.histories)
    budget = Budget.of(settings, interactions(before))
    context = context_for(settings, before, dataset, split, Recorder(FAMILY, budget), FAMILY)
    window = context.window.evaluated()
    sides = []
    for snapshot in (before, after):
        fits = []
        for fit in range(FITS):
            model = Model(FAST)
            model.fit(split, _with_features(context, snapshot, dataset, settings.seed + fit))
            fits.append(_values(model, window))
        sides.append(np.mean(fits, axis=0))
    ndcg_SU, auc_SU = np.stack(sides).swapaxes(0, 1)
    known_U = ~np.isnan(auc_SU).any(axis=0)
    return FeatureComparison(
        users=len(window.histories),
        ndcg=change_of(ndcg_SU, settings.seed),
        auc=change_of(auc_SU[:, known_U], settings.seed) if known_U.any() else None,
        seconds=round(time.monotonic() - started, 1),
    )


def _with_features(
    context: TrainingContext, snapshot: Snapshot, dataset: Dataset, seed: int
) -> TrainingContext:
    return replace(
        context, seed=seed, feature_history=lambda: FeatureHistory.read(snapshot, dataset)
    )


def _values(model: Model, window: Window) -> FloatArray:
    """values_MU: NDCG@10 and AUC of each user; NaN where a user has no AUC."""
    ndcg_U = evaluate_window(model.scores, window, ("all",))["all"].values["ndcg@10"]
    lists = model.remembered.of(window.histories)
    pairs = pairs_of(lists, window.histories)
    score_C = model.model.scores(features_of(pairs, lists, window.histories, model.tables))
    label_C = pairs.labels(window.targets)
    return np.stack([ndcg_U, auc_of_users(pairs.row_C, score_C, label_C, len(ndcg_U))])


def auc_of_users(
    row_C: IntArray, score_C: FloatArray, label_C: BoolArray, users: int
) -> FloatArray:
    """auc_U: the share of pairs of a chosen and another candidate with the chosen one first; equal
    scores count half. NaN for a user with candidates of one kind."""
    auc_U = np.full(users, np.nan)
    order_C = np.argsort(row_C, kind="stable")
    rows, first = np.unique(row_C[order_C], return_index=True)
    for row, part_C in zip(rows, np.split(order_C, first[1:]), strict=True):
        scores, chosen = score_C[part_C], label_C[part_C]
        others = np.sort(scores[~chosen])
        if len(others) and chosen.any():
            below = np.searchsorted(others, scores[chosen], "left")
            not_above = np.searchsorted(others, scores[chosen], "right")
            auc_U[row] = (below + not_above).mean() / 2 / len(others)
    return auc_U


def change_of(values_SU: FloatArray, seed: int) -> Change:
    """The change of a mean over users between two sides, with the same users in each."""
    before_U, after_U = values_SU
    return Change(
        float(before_U.mean()), float(after_U.mean()), bootstrap(after_U - before_U, seed)
    )
