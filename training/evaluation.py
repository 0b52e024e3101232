"""The one evaluation: every family ranks the whole catalogue for every user, and is judged the
same.

Full ranking, because metrics on sampled negatives do not keep the order of models (Krichene &
Rendle 2020, "On Sampled Metrics for Item Recommendation"). Two populations: ``all`` items, and
``new``, where items that a user had before are taken out of the ranking and of the targets.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch

from training.data import Histories, IntArray
from training.intervals import Interval, intervals
from training.split import Window

RANKS = (10, 20)
METRICS = tuple(f"{name}@{k}" for k in RANKS for name in ("ndcg", "recall", "hr", "mrr"))
POPULATIONS = ("all", "new")
USERS_A_BATCH = 128

Scorer = Callable[[Histories], torch.Tensor]
"""Histories of B users -> scores_BI, on any device."""


@dataclass(frozen=True)
class Evaluation:
    """One population of one window. ``values``: metric name -> one value for each of ``users``.

    ``found_U``: how many targets each user's first ten hold; ``found_items_N``: which, user by
    user, best first.
    """

    users: IntArray
    values: dict[str, npt.NDArray[np.float64]]
    coverage: float
    found_U: IntArray
    found_items_N: IntArray

    def intervals(self, seed: int) -> dict[str, Interval]:
        """Empty when no user was judged."""
        if not len(self.users):
            return {}
        found = intervals(np.stack(list(self.values.values()), axis=1), seed)
        return dict(zip(self.values, found, strict=True))


def evaluate(
    score: Scorer, window: Window, populations: tuple[str, ...] = POPULATIONS
) -> dict[str, Evaluation]:
    """Judge on a window, for each of the populations.

    Targets are the distinct items of the window; users without any are not judged. An item that
    nobody had before the window isn't known yet: it is never recommended, and stays a target, so
    that every family misses it alike. Coverage is the share of the catalogue in anybody's first
    ten.
    """
    known_I = torch.from_numpy(window.histories.counts_I() > 0)
    tallies = {population: _Tally(window.histories.item_count) for population in populations}
    for part in batches(window.judged()):
        scores_BI = score(part.histories)
        scores_BI = scores_BI.masked_fill(~known_I.to(scores_BI.device), -torch.inf)
        targets = part.targets.matrix(part.targets.weights_N)
        if "all" in populations:
            tallies["all"].add(part.histories.users_U, top(scores_BI, max(RANKS)), targets)
        if "new" not in populations:
            continue
        bought = part.histories.matrix(part.histories.weights_N)
        scores_BI[bought.nonzero()] = -torch.inf
        new_targets = (targets - targets.multiply(bought > 0)).tocsr()
        new_targets.eliminate_zeros()
        tallies["new"].add(part.histories.users_U, top(scores_BI, max(RANKS)), new_targets)
    return {population: tally.result() for population, tally in tallies.items()}


def ndcg_at_10(score: Scorer, window: Window, population: str = "all") -> float:
    """Mean NDCG@10: the figure that families are tuned on."""
    found = evaluate(score, window, (population,))[population]
    return float(found.values["ndcg@10"].mean())


def batches(window: Window) -> Iterator[Window]:
    """The window in parts of a few users: a score for each item of the catalogue takes room."""
    rows_U = np.arange(len(window.histories))
    for first in range(0, len(rows_U), USERS_A_BATCH):
        yield window.take(rows_U[first : first + USERS_A_BATCH])


def top(scores_BI: torch.Tensor, k: int) -> tuple[npt.NDArray[np.float32], IntArray]:
    """Best ``k`` scores and items of each user, best first. A score of -inf is no answer."""
    scores_BK, items_BK = torch.topk(scores_BI.float(), min(k, scores_BI.shape[1]), dim=1)
    return scores_BK.cpu().numpy(), items_BK.cpu().numpy()


def user_metrics(
    hits_BK: npt.NDArray[np.bool_], targets_B: IntArray
) -> dict[str, npt.NDArray[np.float64]]:
    """Metrics of B users. ``hits_BK``: is the item at rank k a target; ``targets_B``: how many
    there are.

    Recall is over all targets, whether or not k of them fit; NDCG's ideal puts min(k, targets)
    first (Järvelin & Kekäläinen 2002); MRR is 1 / rank of the first hit within k, else 0.
    """
    metrics = {}
    discounts_K = 1 / np.log2(np.arange(2, max(RANKS) + 2))
    ideal_K = np.cumsum(discounts_K)
    for k in RANKS:
        hits_Bk = hits_BK[:, :k].astype(float)
        width = hits_Bk.shape[1]
        ideal_B = ideal_K[np.minimum(targets_B, k) - 1]
        found_B = hits_Bk.any(axis=1)
        first_B = hits_Bk.argmax(axis=1) if width else np.zeros(len(targets_B))
        metrics[f"ndcg@{k}"] = hits_Bk @ discounts_K[:width] / ideal_B
        metrics[f"recall@{k}"] = hits_Bk.sum(axis=1) / targets_B
        metrics[f"hr@{k}"] = found_B.astype(float)
        metrics[f"mrr@{k}"] = found_B / (first_B + 1)
    return metrics


class _Tally:
    """Gathers one population's metrics batch by batch."""

    def __init__(self, item_count: int) -> None:
        self.recommended_I = np.zeros(item_count, bool)
        self.users: list[IntArray] = [np.zeros(0, np.int64)]
        self.values: dict[str, list[npt.NDArray[np.float64]]] = {
            name: [np.zeros(0)] for name in METRICS
        }
        self.found_U: list[IntArray] = [np.zeros(0, np.int64)]
        self.found_items_N: list[IntArray] = [np.zeros(0, np.int64)]

    def add(
        self,
        users_B: IntArray,
        ranked: tuple[npt.NDArray[np.float32], IntArray],
        targets: sp.csr_matrix,
    ) -> None:
        scores_BK, items_BK = ranked
        targets_B = np.diff(targets.indptr)
        judged_B = np.flatnonzero(targets_B)
        if not len(judged_B):
            return
        scores_BK, items_BK = scores_BK[judged_B], items_BK[judged_B]
        answered_BK = scores_BK > -np.inf
        rows_BK = np.broadcast_to(judged_B[:, None], items_BK.shape)
        hits_BK = np.asarray(targets[rows_BK.ravel(), items_BK.ravel()]).reshape(items_BK.shape) > 0
        hits_BK &= answered_BK
        self.recommended_I[items_BK[:, :10][answered_BK[:, :10]]] = True
        self.users.append(users_B[judged_B])
        self.found_U.append(hits_BK[:, :10].sum(axis=1))
        self.found_items_N.append(items_BK[:, :10][hits_BK[:, :10]])
        for name, values_B in user_metrics(hits_BK, targets_B[judged_B]).items():
            self.values[name].append(values_B)

    def result(self) -> Evaluation:
        return Evaluation(
            np.concatenate(self.users),
            {name: np.concatenate(parts) for name, parts in self.values.items()},
            float(self.recommended_I.mean()),
            np.concatenate(self.found_U),
            np.concatenate(self.found_items_N),
        )
