"""The judge of families that rank: full ranking on both windows, and what serving reads.

A run is judged on the validation window as fitted, and on the test window after it has observed the
validation window. What it leaves for serving has observed everything.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from training.data.histories import Dataset, Histories, starts
from training.data.split import Split
from training.evaluation.context import EvaluationContext
from training.evaluation.metrics.full_ranking import Evaluation, Scorer, evaluate_window, parts, top
from training.fitting.budget import Budget
from training.fitting.capabilities import Encodes, HasPrior
from training.fitting.family import Ranker, VectorFamily

LIST_LENGTH = 100
PRIOR_LENGTH = 1000

Evaluations = dict[str, dict[str, Evaluation]]
"""Window -> population -> evaluation."""


def evaluate(family: Ranker, context: EvaluationContext) -> dict[str, Any]:
    """The record's entries. Writes ``per_user.parquet``."""
    timed = TimedScorer(family.scores, context.training.device)
    evaluations = {name: evaluate_window(timed, window) for name, window in context.windows(family)}
    _write_per_user(context.folder, context.dataset, context.split, evaluations)
    metrics = _metrics(evaluations, context.seed)
    ndcg = metrics["metrics"]["all"]["ndcg@10"]
    return {
        "users_evaluated": len(evaluations["test"]["all"].users),
        "scoring_ms_per_user": round(timed.ms_per_user, 4),
        "headline": f"test NDCG@10 {ndcg['mean']:.4f} [{ndcg['low']:.4f}, {ndcg['high']:.4f}]",
        **metrics,
    }


def publishable(family: Ranker, context: EvaluationContext) -> None:
    """Write what serving reads without ever importing this package, of all that is known."""
    folder, dataset, budget = context.folder, context.dataset, context.training.budget
    pq.write_table(_ranked_lists(family, dataset, budget), folder / "ranked_lists.parquet")
    if isinstance(family, VectorFamily):
        vectors_UD = np.concatenate(
            [family.user_vectors(part).cpu().numpy() for part in parts(dataset.histories)]
        )
        _write_vectors(folder / "user_vectors.parquet", "user_id", dataset.user_ids, vectors_UD)
        learned_I = family.learned_items()[:, None]
        vectors_ID = (family.item_vectors() * learned_I).cpu().numpy()
        _write_vectors(folder / "item_vectors.parquet", "item_id", dataset.item_ids, vectors_ID)
    if isinstance(family, Encodes):
        family.exported().save(folder, dataset.item_ids)
    if isinstance(family, HasPrior):
        scores_1K, items_1K = top(family.prior()[None], PRIOR_LENGTH)
        ids = np.array(dataset.item_ids)[items_1K[0]]
        table = {
            "item_id": pa.array(ids, pa.string()),
            "score": pa.array(scores_1K[0], pa.float32()),
        }
        pq.write_table(pa.table(table), folder / "prior.parquet")


@dataclass
class TimedScorer:
    """A scorer that knows what it took for each user: scoring the whole catalogue, not ranking."""

    score: Scorer
    device: torch.device
    seconds: float = 0.0
    users: int = 0

    def __call__(self, batch: Histories) -> torch.Tensor:
        started = time.perf_counter()
        scores_BI = self.score(batch)
        if self.device.type == "cuda":  # which has only been told to, so far
            torch.cuda.synchronize(self.device)
        self.seconds += time.perf_counter() - started
        self.users += len(batch)
        return scores_BI

    @property
    def ms_per_user(self) -> float:
        return 1000 * self.seconds / max(1, self.users)


def _metrics(evaluations: Evaluations, seed: int) -> dict[str, Any]:
    """``metrics`` and ``coverage`` of the test window, ``validation_metrics`` of the other."""
    intervals = {
        window: {
            population: {name: asdict(value) for name, value in one.intervals(seed).items()}
            for population, one in populations.items()
        }
        for window, populations in evaluations.items()
    }
    return {
        "metrics": intervals["test"],
        "validation_metrics": intervals["validation"],
        "coverage": {population: one.coverage for population, one in evaluations["test"].items()},
    }


def _ranked_lists(family: Ranker, dataset: Dataset, budget: Budget) -> pa.Table:
    """The best items of every known user at ``as_of``, best first."""
    item_ids = np.array(dataset.item_ids)
    scores, items = [], []
    for part in parts(dataset.histories):
        scores_BK, items_BK = top(family.scores(part), LIST_LENGTH)
        scores.append(scores_BK)
        items.append(item_ids[items_BK])
        budget.check()
    return pa.table(
        {
            "user_id": pa.array(dataset.user_ids, pa.string()),
            "item_ids": _lists(np.concatenate(items), pa.string()),
            "scores": _lists(np.concatenate(scores), pa.float32()),
        }
    )


def _write_vectors(path: Path, key: str, ids: tuple[str, ...], vectors: np.ndarray) -> None:
    """Write the vectors that are not 0: of whom something is known."""
    known = vectors.any(axis=1)
    table = {
        key: pa.array(np.array(ids)[known], pa.string()),
        "vector": _lists(vectors[known], pa.float32()),
    }
    pq.write_table(pa.table(table), path)


def _lists(matrix: np.ndarray, kind: pa.DataType) -> pa.ListArray:
    """A list column of the matrix's rows."""
    offsets = pa.array(np.arange(len(matrix) + 1) * matrix.shape[1], pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(matrix.ravel(), kind))


def _write_per_user(folder: Path, dataset: Dataset, split: Split, evaluations: Evaluations) -> None:
    """Each judged user's metrics, for comparing runs user by user.

    Columns: window, population, user_id, ``events`` known when the window began, ``found@10`` (the
    targets among the first ten, best first) and the metrics.
    """
    user_ids, item_ids = np.array(dataset.user_ids), np.array(dataset.item_ids)
    windows = {"validation": split.validation, "test": split.test}
    tables = [
        pa.table(
            {
                "user_id": pa.array(user_ids[one.users], pa.string()),
                "window": pa.array([window] * len(one.users), pa.string()),
                "population": pa.array([population] * len(one.users), pa.string()),
                "events": pa.array(windows[window].histories.lengths_U[one.users], pa.int32()),
                "found@10": pa.ListArray.from_arrays(
                    pa.array(starts(one.found_U), pa.int32()),
                    pa.array(item_ids[one.found_items_N], pa.string()),
                ),
                **one.values,
            }
        )
        for window, populations in evaluations.items()
        for population, one in populations.items()
    ]
    pq.write_table(pa.concat_tables(tables), folder / "per_user.parquet")
