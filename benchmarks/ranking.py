"""The ranking stage on the live snapshot: `lambdamart`, without groups of its features, and
LightGBM's own ranker with its defaults on the same examples.

The variants are compared on the validation window; the test window is for the family as configured.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.fitting import training_context
from benchmarks.processes import isolated
from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.ranking.features import Features
from penchant.settings import Settings
from training.data.feature_history import FeatureHistory, FeatureTables
from training.data.histories import Histories, read_dataset
from training.data.split import Window, split_by_time
from training.evaluation.metrics.full_ranking import evaluate_window
from training.evaluation.metrics.intervals import bootstrap
from training.families.lambdamart import Config, Model
from training.families.personal_frequency import Config as FrequencyConfig
from training.families.personal_frequency import Model as Frequency
from training.fitting.context import TrainingContext
from training.layers.ranking.candidate_sources import Source
from training.layers.ranking.examples import Pairs, RankingExamples
from training.layers.ranking.source_lists import SourceLists
from training.layers.ranking.trees import Trees, TreesConfig

TITLE = "Ranking stage"
METRIC, CONFIGURED = "ndcg@10", "as configured"
HEAD = """`lambdamart` on the live snapshot, without groups of its features, and with the default
parameters of LightGBM's own ranker on the same examples. The gain is paired, user by user. CPU
seconds are those of the trees.
"""
GROUPS: dict[str, tuple[str, ...]] = {
    CONFIGURED: (),
    "without user and item": (
        *("user_item_statistics", "mean gap", "days since", "last gap"),
        *("share of orders", "orders since", "habit"),
    ),
    "without user and leaf category": ("user_leaf_category", "category:", "share of category"),
    "without item demand": ("item_demand", "price / ", "trend"),
    "without scores and ranks of sources": ("personal_", "tifu_knn", "user_cf", "item_cf", "pop"),
}
DEFAULTS = "LightGBM's defaults"
LIGHTGBM = TreesConfig(
    objective="lambdarank",
    trees=100,
    leaves=31,
    learning_rate=0.1,
    truncation=30,
    min_rows_of_leaf=20,
    share_of_features=1.0,
    share_of_rows=1.0,
    l2=0.0,
    bins=255,
)


class Ablated(Model):
    """The family, whose trees can be fitted again to the same examples without the features whose
    names begin with one of ``hidden``."""

    hidden: tuple[str, ...] = ()

    def learned(self, parts: Sequence[RankingExamples], context: TrainingContext) -> Trees:
        self.kept = parts
        return self.without((), self.config.trees, context.seed)

    def without(self, hidden: tuple[str, ...], trees: TreesConfig, seed: int) -> Trees:
        self.hidden = hidden
        parts = [replace(one, features_CF=self._without(one.features_CF)) for one in self.kept]
        started = time.process_time()
        found = Trees.fit(parts, trees, seed, threads=1)
        self.seconds = time.process_time() - started
        return found

    def _features(
        self,
        pairs: Pairs,
        lists: Mapping[Source, SourceLists],
        batch: Histories,
        tables: FeatureTables,
    ) -> Features:
        return self._without(super()._features(pairs, lists, batch, tables))

    def _without(self, features_CF: Features) -> Features:
        columns = [place for place, name in enumerate(self.names) if name.startswith(self.hidden)]
        if not columns:
            return features_CF
        kept_CF = features_CF.copy()
        kept_CF[:, columns] = np.nan
        return kept_CF


def measure(settings: Settings) -> dict[str, Any]:
    done = isolated("ranking:rows")
    return {"rows": done.value, "seconds": done.seconds, "peak_mb": done.peak_mb}


def rows() -> list[dict[str, Any]]:
    """The variants on both populations of validation, and on test as configured."""
    settings = Settings()
    snapshot = Snapshot.live(settings)
    dataset = read_dataset(snapshot)
    split = split_by_time(dataset.histories)
    model, frequency = Ablated(Config()), Frequency(FrequencyConfig())
    read = partial(FeatureHistory.read, snapshot, dataset)
    with training_context(split.validation, dataset.items, feature_history=read) as context:
        model.fit(split, context)
        frequency.fit(split, context)
    found = []
    for name, hidden in (*GROUPS.items(), (DEFAULTS, ())):
        if name != CONFIGURED:
            trees = LIGHTGBM if name == DEFAULTS else model.config.trees
            model.model = model.without(hidden, trees, context.seed)
        row: dict[str, Any] = {"name": name, "seconds": round(model.seconds, 1)}
        row["validation"] = _compared(model, frequency, split.validation, settings.seed)
        if name == CONFIGURED:
            row["test"] = _compared(model, frequency, split.test, settings.seed)
        found.append(row)
    return found


def page(figures: dict[str, Any]) -> str:
    head = ["validation, NDCG@10", "all items", "over personal_frequency", "new items", "CPU s"]
    cells = [
        [
            row["name"],
            interval(row["validation"]["all"]["ndcg"]),
            interval(row["validation"]["all"]["gain"], sign="+"),
            interval(row["validation"]["new"]["ndcg"]),
            f"{row['seconds']:.0f}",
        ]
        for row in figures["rows"]
    ]
    test = next(row["test"] for row in figures["rows"] if "test" in row)
    tested = [
        [population, interval(one["ndcg"]), interval(one["gain"], sign="+")]
        for population, one in test.items()
    ]
    test_head = ["test, NDCG@10, as configured", "", "over personal_frequency"]
    return f"{HEAD}\n{grid(head, cells)}\n\n{grid(test_head, tested)}\n"


def _compared(
    model: Model, frequency: Frequency, window: Window, seed: int
) -> dict[str, dict[str, Any]]:
    """By population: NDCG@10, and its paired gain over personal frequency."""
    found = {}
    model.observe(window.histories)
    frequency.observe(window.histories)
    ours, theirs = (evaluate_window(one.scores, window) for one in (model, frequency))
    for population, one in ours.items():
        gain = bootstrap(one.values[METRIC] - theirs[population].values[METRIC], seed)
        found[population] = {
            "ndcg": asdict(one.intervals(seed)[METRIC]),
            "gain": asdict(gain),
        }
    return found
