"""Evaluation of families that rank, by full ranking on both windows, and their tables for serving.

A family is evaluated on the validation window as fitted, and on the test window after it has
observed the validation window. The tables for serving are made after it has observed everything.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from penchant.encryption import parquet as pq
from training.data.catalogue import category_codes
from training.data.histories import Dataset, Histories, IntArray, starts
from training.data.split import Split
from training.evaluation.context import EvaluationContext, Figures
from training.evaluation.lists import list_column, listed, write_lists
from training.evaluation.metrics.full_ranking import (
    Evaluation,
    Scorer,
    evaluate_window,
    parts,
    top,
)
from training.evaluation.metrics.leaderboard import beyond_accuracy
from training.evaluation.metrics.recommended_lists import RecommendedLists
from training.fitting.capabilities import Encodes, HasPrior
from training.fitting.family import Ranker, VectorFamily

PRIOR_LENGTH = 1000
EVALUATED_USERS = 20_000
"""At most, of each window: the time of ranking grows with users times items."""

Evaluations = dict[str, dict[str, Evaluation]]
"""Window -> population -> evaluation."""


def evaluate(family: Ranker, context: EvaluationContext) -> Figures:
    """``metrics`` and ``beyond_accuracy`` of the test window, ``validation_metrics`` of the other,
    each by population. Writes ``per_user.parquet``.

    Of more than EVALUATED_USERS a sample is evaluated, the same one for every family.
    """
    timed = TimedScorer(context.training.device)
    users = _evaluated_users(context)
    evaluations = {
        name: evaluate_window(timed.of(family.scorer()), window.with_targets_of(users[name]))
        for name, window in context.windows(family)
    }
    _write_per_user(context.folder, context.dataset, context.split, evaluations)
    metrics = {name: _intervals(one, context.seed) for name, one in evaluations.items()}
    ndcg = metrics["test"]["all"]["ndcg@10"]
    return {
        "users_evaluated": len(evaluations["test"]["all"].users),
        "scoring_ms_per_user": round(timed.ms_per_user, 4),
        "headline": f"test NDCG@10 {ndcg['mean']:.4f} [{ndcg['low']:.4f}, {ndcg['high']:.4f}]",
        "metrics": metrics["test"],
        "validation_metrics": metrics["validation"],
        "beyond_accuracy": _beyond_accuracy(evaluations["test"], context),
    }


def _evaluated_users(context: EvaluationContext) -> dict[str, IntArray]:
    windows = {"validation": context.split.validation, "test": context.split.test}
    users = {
        name: window.sampled(EVALUATED_USERS, context.seed) for name, window in windows.items()
    }
    for name, window in windows.items():
        sampled, of = len(users[name]), int(np.count_nonzero(window.targets.lengths_U))
        if of > sampled:
            context.training.cut(f"{sampled:,} of {of:,} users of the {name} window evaluated")
    return users


def publishable(family: Ranker, context: EvaluationContext) -> None:
    """Write the tables that serving reads: lists, vectors, encoder, popularity prior."""
    folder, dataset = context.folder, context.dataset
    users = listed(dataset.histories, context.training.cut)
    write_lists(folder, family, users, dataset, context.training.budget.check)
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
    """Measures the time of scoring the whole catalogue, without ranking."""

    device: torch.device
    seconds: float = 0.0
    users: int = 0

    def of(self, score: Scorer) -> Scorer:
        """A scorer whose time is measured."""

        def timed(batch: Histories) -> torch.Tensor:
            started = time.perf_counter()
            scores_BI = score(batch)
            if self.device.type == "cuda":  # kernels run asynchronously
                torch.cuda.synchronize(self.device)
            self.seconds += time.perf_counter() - started
            self.users += len(batch)
            return scores_BI

        return timed

    @property
    def ms_per_user(self) -> float:
        return 1000 * self.seconds / max(1, self.users)


def _intervals(populations: dict[str, Evaluation], seed: int) -> dict[str, Any]:
    return {
        population: {name: asdict(value) for name, value in one.intervals(seed).items()}
        for population, one in populations.items()
    }


def _beyond_accuracy(
    populations: dict[str, Evaluation], context: EvaluationContext
) -> dict[str, dict[str, float | None]]:
    counts_I = context.split.test.histories.counts_I()
    categories_IL = category_codes(context.dataset.items)
    return {
        population: beyond_accuracy(RecommendedLists(one.items_UK, counts_I, categories_IL))
        for population, one in populations.items()
    }


def _write_vectors(path: Path, key: str, ids: tuple[str, ...], vectors: np.ndarray) -> None:
    """Write the vectors that are not 0: the others are of unknown users and items."""
    known = vectors.any(axis=1)
    table = {
        key: pa.array(np.array(ids)[known], pa.string()),
        "vector": list_column(vectors[known], pa.float32()),
    }
    pq.write_table(pa.table(table), path)


def _write_per_user(folder: Path, dataset: Dataset, split: Split, evaluations: Evaluations) -> None:
    """Each evaluated user's metrics, for comparing runs user by user.

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
