"""What the ranking stage leaves: NDCG@10 on test of orders that nobody knows at prediction time.

An oracle orders the candidates by what was bought. A second ranker is also given how many other
users buy an item in the fortnight to predict. Both rankers learn from fewer examples than
`lambdamart`, so the benchmark is cheap; no one of these figures selects anything.
"""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.fitting import training_context
from benchmarks.processes import isolated
from benchmarks.ranking import METRIC, Ablated
from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.ranking.features import Features
from penchant.settings import Settings
from training.data.feature_history import FeatureHistory, FeatureTables
from training.data.histories import DAY, Histories, read_dataset
from training.data.sorted_cells import occurring
from training.data.split import WINDOW_DAYS, Window, split_by_time
from training.evaluation.metrics.full_ranking import Evaluation, evaluate_window
from training.evaluation.metrics.intervals import bootstrap
from training.families.lambdamart import Config
from training.layers.ranking.candidate_sources import Source
from training.layers.ranking.examples import Pairs, features_of, pairs_of
from training.layers.ranking.source_lists import SourceLists

TITLE = "What the ranker leaves"
FORTNIGHTS, USERS = (1, 2), 600
VALIDATION_USERS = 300  # that sources are tuned on
DEMAND = "others' demand in the fortnight to predict"
RANKER, INFORMED = "ranker", f"ranker that knows {DEMAND}"
ORACLE, OWN = "perfect order of all candidates", "perfect order of the user's own items alone"
BANDS = ((1, 5), (6, 15), (16, 40), (41, None))  # distinct items that a user buys in the fortnight
HEAD = f"""NDCG@10 on the test fortnight of orders that nobody knows at prediction time. The rankers
learned from {len(FORTNIGHTS)} fortnights of {USERS} users, so they are below `lambdamart` as
configured. *{INFORMED}*: one more feature, in training and on test, the number of other users who
buy the item in that fortnight. *Perfect order*: what was bought first.
"""


class Informed(Ablated):
    """The family with a feature that leaks: what others buy in the window to predict."""

    every: Histories

    def learned(self, parts: Any, context: Any) -> Any:
        self.names = (*self.names, DEMAND)
        return super().learned(parts, context)

    def _features(
        self,
        pairs: Pairs,
        lists: Mapping[Source, SourceLists],
        batch: Histories,
        tables: FeatureTables,
    ) -> Features:
        known_CF = features_of(pairs, lists, batch, tables)
        window = self.every.between(tables.moment, tables.moment + WINDOW_DAYS * DAY)
        buyers_I = window.matrix(window.weights_N).getnnz(axis=0)
        rows_B = np.searchsorted(window.users_U, batch.users_U)
        others_C = buyers_I[pairs.item_C] - pairs.labels(window.take(rows_B))
        return self._without(np.column_stack([known_CF, others_C]).astype(known_CF.dtype))


def measure(settings: Settings) -> dict[str, Any]:
    done = isolated("ranking_ceiling:figures")
    return {**done.value, "seconds": done.seconds, "peak_mb": done.peak_mb}


def figures() -> dict[str, Any]:
    settings = Settings()
    snapshot = Snapshot.live(settings)
    dataset = read_dataset(snapshot)
    split = split_by_time(dataset.histories)
    model = Informed(Config(fortnights=FORTNIGHTS, users=USERS))
    model.every = dataset.histories
    read = partial(FeatureHistory.read, snapshot, dataset)
    window, found = split.test, {}
    tuning = split.validation.evaluated()
    tuning = tuning.take(np.arange(min(VALIDATION_USERS, len(tuning.histories))))
    with training_context(tuning, dataset.items, feature_history=read) as context:
        model.fit(split, context)
        model.observe(window.histories)
        found[INFORMED] = evaluate_window(model.scores, window)
        model.model = model.without((DEMAND,), model.config.trees, context.seed)
        found[RANKER] = evaluate_window(model.scores, window)
    for name in (OWN, ORACLE):
        found[name] = evaluate_window(partial(_perfect, model, window, name == OWN), window)
    ranked, seed = found[RANKER], settings.seed
    rows = [
        {"name": name}
        | {
            population: {
                "ndcg": asdict(one.intervals(seed)[METRIC]),
                "gain": asdict(
                    bootstrap(one.values[METRIC] - ranked[population].values[METRIC], seed)
                ),
            }
            for population, one in found[name].items()
        }
        for name in (RANKER, INFORMED, OWN, ORACLE)
    ]
    return {
        "rows": rows,
        "bands": _bands({name: one["all"] for name, one in found.items()}, window),
    }


def _perfect(model: Ablated, window: Window, own: bool, batch: Histories) -> torch.Tensor:
    """scores_BI: 1 for the candidates that are bought, of the user's own items alone if ``own``."""
    scores_BI = torch.zeros(len(batch), batch.item_count)
    known_B = np.flatnonzero(batch.lengths_U)
    known = batch.take(known_B)
    pairs = pairs_of(model.remembered.of(known), known)
    rows_B = np.searchsorted(window.targets.users_U, known.users_U)
    bought_C = pairs.labels(window.targets.take(rows_B))
    if own:
        had = known.rows_N.astype(np.int64) * known.item_count + known.items_N
        bought_C &= occurring(pairs.cell_C, had)
    scores_BI[known_B[pairs.row_C[bought_C]], pairs.item_C[bought_C]] = 1
    return scores_BI


def _bands(found: Mapping[str, Evaluation], window: Window) -> list[dict[str, Any]]:
    """Means over the users who buy so many items."""
    evaluated = window.evaluated().targets
    items_U = np.diff(evaluated.matrix(evaluated.weights_N).indptr)
    bands = []
    for least, most in BANDS:
        in_U = (items_U >= least) & (items_U <= (most or np.inf))
        means = {name: float(one.values[METRIC][in_U].mean()) for name, one in found.items()}
        bands.append({"least": least, "most": most, "users": int(in_U.sum()), **means})
    return bands


def page(figures: dict[str, Any]) -> str:
    head = ["test, NDCG@10", "all items", "over the ranker", "new items"]
    cells = [
        [
            row["name"],
            interval(row["all"]["ndcg"]),
            interval(row["all"]["gain"], sign="+"),
            interval(row["new"]["ndcg"]),
        ]
        for row in figures["rows"]
    ]
    names = [row["name"] for row in figures["rows"]]
    bands = [
        [
            f"{band['least']} or more"
            if band["most"] is None
            else f"{band['least']} to {band['most']}",
            str(band["users"]),
            *(f"{band[name]:.3f}" for name in names),
        ]
        for band in figures["bands"]
    ]
    band_head = ["items that the user buys", "users", *names]
    return f"{HEAD}\n{grid(head, cells)}\n\n{grid(band_head, bands)}\n"
