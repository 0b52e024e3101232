"""What the ranking stage leaves: NDCG@10 on test of orders that nobody knows at prediction time.

An oracle orders the candidates of `lambdamart` by what was bought. The scores of
`personal_frequency` are multiplied by a power of an item's other buyers, in the fortnight before
and in the one to predict; the power is found on validation.
"""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from benchmarks.fitting import training_context
from benchmarks.processes import isolated
from benchmarks.ranking import METRIC
from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.settings import Settings
from training.data.histories import DAY, Histories, IntArray, read_dataset
from training.data.sorted_cells import occurring
from training.data.split import WINDOW_DAYS, Window, split_by_time
from training.evaluation.metrics.full_ranking import Evaluation, Scorer, evaluate_window, ndcg_at_10
from training.evaluation.metrics.intervals import bootstrap
from training.families.personal_frequency import Config, Model
from training.layers.ranking.candidate_ranker import SOURCES
from training.layers.ranking.candidate_sources import FittedSource
from training.layers.ranking.examples import pairs_of

TITLE = "What the ranker leaves"
FREQUENCY = "`personal_frequency`"
BEFORE = "the same and others' demand of the fortnight before"
DURING = "the same and others' demand of the fortnight to predict"
OWN, ORACLE = "perfect order of the user's own items alone", "perfect order of all candidates"
POWERS = (0.1, 0.2, 0.4)
BANDS = ((1, 5), (6, 15), (16, 40), (41, None))  # distinct items that a user buys in the fortnight
HEAD = """NDCG@10 on the test fortnight of orders that nobody knows then. *Perfect order*: what was
bought first, of the candidates that `lambdamart` ranks. *Others' demand*: scores are multiplied by
a power of one plus the number of other users who buy the item in the fortnight; the power is found
on validation, from .1, .2 and .4.
"""


def measure(settings: Settings) -> dict[str, Any]:
    done = isolated("ranking_ceiling:figures")
    return {**done.value, "seconds": done.seconds, "peak_mb": done.peak_mb}


def figures() -> dict[str, Any]:
    settings = Settings()
    dataset = read_dataset(Snapshot.live(settings))
    split, frequency = split_by_time(dataset.histories), Model(Config())
    with training_context(split.validation, dataset.items) as context:
        frequency.fit(split, context)
        sources = [FittedSource.fit(one, split.train, context) for one in SOURCES]
    every, test = dataset.histories, split.test
    powers: dict[str, float] = {}
    scorers: dict[str, Scorer] = {FREQUENCY: frequency.scores}
    for name, shift in ((BEFORE, 1), (DURING, 0)):
        frequency.observe(split.validation.histories)
        bought_UI = _bought(every, split.validation, shift)
        found = {
            power: ndcg_at_10(
                partial(_with_demand, frequency, bought_UI, every.users_U, power), split.validation
            )
            for power in POWERS
        }
        powers[name] = max(found, key=found.__getitem__)
        scorers[name] = partial(
            _with_demand, frequency, _bought(every, test, shift), every.users_U, powers[name]
        )
    for observer in (frequency, *sources):
        observer.observe(test.histories)
    scorers |= {name: partial(_perfect, sources, test, name == OWN) for name in (OWN, ORACLE)}
    evaluated = {name: evaluate_window(score, test) for name, score in scorers.items()}
    base, seed = evaluated[FREQUENCY], settings.seed
    rows = [
        {"name": name, "power": powers.get(name)}
        | {
            population: {
                "ndcg": asdict(one.intervals(seed)[METRIC]),
                "gain": asdict(
                    bootstrap(one.values[METRIC] - base[population].values[METRIC], seed)
                ),
            }
            for population, one in found.items()
        }
        for name, found in evaluated.items()
    ]
    of_all = {name: found["all"] for name, found in evaluated.items()}
    return {"rows": rows, "bands": _bands(of_all, test)}


def _bought(every: Histories, window: Window, shift: int) -> sp.csr_matrix:
    """bought_UI: 1 for each purchase in a fortnight; ``shift``: fortnights before the window."""
    begin = window.histories.end - shift * WINDOW_DAYS * DAY
    demand = every.between(begin, begin + WINDOW_DAYS * DAY)
    return demand.matrix(demand.weights_N).sign()


def _with_demand(
    frequency: Model, bought_UI: sp.csr_matrix, users_U: IntArray, power: float, batch: Histories
) -> torch.Tensor:
    """scores_BI times a power of one plus the item's other buyers."""
    buyers_I = np.asarray(bought_UI.sum(axis=0), np.float32)[0]
    own_BI = bought_UI[np.searchsorted(users_U, batch.users_U)].tocoo()
    scores_BI = frequency.scores(batch) * torch.from_numpy((1 + buyers_I) ** np.float32(power))
    others_N = buyers_I[own_BI.col] / (1 + buyers_I[own_BI.col])  # without the user's own purchase
    scores_BI[own_BI.row, own_BI.col] *= torch.from_numpy(others_N ** np.float32(power))
    return scores_BI


def _perfect(
    sources: list[FittedSource], window: Window, own: bool, batch: Histories
) -> torch.Tensor:
    """scores_BI: 1 for the candidates that are bought, of the user's own items alone if ``own``."""
    scores_BI = torch.zeros(len(batch), batch.item_count)
    known_B = np.flatnonzero(batch.lengths_U)
    known = batch.take(known_B)
    pairs = pairs_of({one.source: one.lists(known) for one in sources}, known)
    rows_B = np.searchsorted(window.targets.users_U, known.users_U)
    bought_C = pairs.labels(window.targets.take(rows_B))
    if own:
        had_N = known.rows_N.astype(np.int64) * known.item_count + known.items_N
        bought_C &= occurring(pairs.cell_C, had_N)
    scores_BI[known_B[pairs.row_C[bought_C]], pairs.item_C[bought_C]] = 1
    return scores_BI


def _bands(found: Mapping[str, Evaluation], window: Window) -> list[dict[str, Any]]:
    """Means over the users who buy so many items."""
    targets = window.evaluated().targets
    items_U = targets.matrix(targets.weights_N).getnnz(axis=1)
    bands = []
    for least, most in BANDS:
        in_U = (items_U >= least) & (items_U <= (most or np.inf))
        means = {name: float(one.values[METRIC][in_U].mean()) for name, one in found.items()}
        bands.append({"least": least, "most": most, "users": int(in_U.sum()), "ndcg": means})
    return bands


def page(figures: dict[str, Any]) -> str:
    head = ["test, NDCG@10", "power", "all items", "gain", "new items"]
    cells = [
        [
            row["name"],
            f"{row['power']:g}" if row["power"] else "",
            interval(row["all"]["ndcg"]),
            interval(row["all"]["gain"], sign="+"),
            interval(row["new"]["ndcg"]),
        ]
        for row in figures["rows"]
    ]
    shown = (FREQUENCY, DURING, OWN, ORACLE)
    bands = [
        [
            f"{band['least']} to {band['most']}" if band["most"] else f"{band['least']} or more",
            f"{band['users']}",
            *(f"{band['ndcg'][name]:.3f}" for name in shown),
        ]
        for band in figures["bands"]
    ]
    band_head = ["items that the user buys", "users", *shown]
    return f"{HEAD}\n{grid(head, cells)}\n\n{grid(band_head, bands)}\n"
