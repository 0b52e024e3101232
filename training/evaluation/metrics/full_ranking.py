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
import torch

from training.data.histories import Histories, IntArray
from training.data.split import Window
from training.evaluation.metrics.intervals import Interval, intervals

RANKS = (10, 20)
POPULATIONS = ("all", "new")
SCORES_A_BATCH = 1 << 22  # 16 MB: stays in the cache while it is ranked
BLOCK = 32  # columns looked at together in search of the best

Scorer = Callable[[Histories], torch.Tensor]
"""Histories of B users -> scores_BI, on any device, a tensor that the caller may overwrite."""

Ranked = tuple[npt.NDArray[np.float32], IntArray]
"""scores_UK and items_UK, best first."""


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


def evaluate_window(
    score: Scorer, window: Window, populations: tuple[str, ...] = POPULATIONS
) -> dict[str, Evaluation]:
    """Evaluator on a window, for each of the populations.

    Targets are the distinct items of the window; users without any are not judged. An item that
    nobody had before the window isn't known yet: it is never recommended, and stays a target, so
    that every family misses it alike. Coverage is the share of the catalogue in anybody's first
    ten.
    """
    ranked = rank(score, window, max(RANKS), populations)
    judged = window.evaluated()
    targets = {"all": np.unique(_cells(judged.targets))}
    if "new" in populations:
        seen = np.isin(targets["all"], _cells(judged.histories))
        targets["new"] = targets["all"][~seen]
    return {
        population: _evaluation(judged.histories, ranked[population], targets[population])
        for population in populations
    }


def ndcg_at_10(score: Scorer, window: Window, population: str = "all") -> float:
    """Mean NDCG@10: the figure that families are tuned on."""
    found = evaluate_window(score, window, (population,))[population]
    return float(found.values["ndcg@10"].mean())


def rank(
    score: Scorer, window: Window, k: int, populations: tuple[str, ...] = POPULATIONS
) -> dict[str, Ranked]:
    """The best ``k`` items for each user who is judged, in the order of ``window.evaluated()``.

    Users are scored in the order of their histories' lengths, so that a sequence model pads little;
    scores are overwritten where they are masked.
    """
    unknown = torch.from_numpy(np.flatnonzero(window.histories.counts_I() == 0))
    histories = window.evaluated().histories
    order_U = np.argsort(histories.lengths_U, kind="stable")
    found: dict[str, list[Ranked]] = {population: [] for population in populations}
    for part in parts(histories.take(order_U)):
        scores_BI = score(part)
        scores_BI.index_fill_(1, unknown.to(scores_BI.device), -torch.inf)
        if "all" in populations:
            found["all"].append(top(scores_BI, k))
        if "new" in populations:
            rows_N, items_N = torch.from_numpy(part.rows_N), torch.from_numpy(part.items_N).long()
            scores_BI[rows_N.to(scores_BI.device), items_N.to(scores_BI.device)] = -torch.inf
            found["new"].append(top(scores_BI, k))
    back_U = np.argsort(order_U)
    return {
        population: (
            np.concatenate([scores for scores, _ in lists])[back_U],
            np.concatenate([items for _, items in lists])[back_U],
        )
        for population, lists in found.items()
    }


def parts(histories: Histories) -> Iterator[Histories]:
    """The histories in parts of as many users as have their scores in memory at once."""
    return histories.parts(max(1, SCORES_A_BATCH // histories.item_count))


def top(scores_BI: torch.Tensor, k: int) -> Ranked:
    """Best ``k`` scores and items of each user, best first. A score of -inf is no answer.

    On the CPU exactly what a stable sort gives, equal scores by item, in half of ``torch.topk``'s
    time: an item among the best k is in one of the k blocks of columns whose maxima are largest, so
    only those are looked at one by one.
    """
    scores_BI = scores_BI.float()
    k = min(k, scores_BI.shape[1])
    if scores_BI.is_cuda:  # fast as it is; it leaves the order of equal scores open
        scores_BK, items_BK = torch.topk(scores_BI, k, dim=1)
        return scores_BK.cpu().numpy(), items_BK.cpu().numpy()
    cells_BC, items_BC = _candidates(scores_BI.contiguous(), k)
    picked_BK = _largest(cells_BC, k)
    values_BK = np.take_along_axis(cells_BC, picked_BK, 1)
    found_BK = np.take_along_axis(items_BC, picked_BK, 1)
    order_BK = np.argsort(-values_BK, axis=1, kind="stable")
    return np.take_along_axis(values_BK, order_BK, 1), np.take_along_axis(found_BK, order_BK, 1)


def _candidates(scores_BI: torch.Tensor, k: int) -> tuple[npt.NDArray[np.float32], IntArray]:
    """Scores and columns of C items a row, columns ascending, that have the row's best k in them.

    Where maxima are equal the first blocks are taken: k blocks up to the last of those have k
    scores at least as large, all before any that is left out.
    """
    users, items = scores_BI.shape
    blocks = items // BLOCK
    if blocks <= k:
        return scores_BI.numpy(), np.broadcast_to(np.arange(items), (users, items))
    maxima_BJ = scores_BI[:, : blocks * BLOCK].view(users, blocks, BLOCK).amax(dim=2)
    first_BK = _largest(maxima_BJ.numpy(), k) * BLOCK
    cells = torch.from_numpy((first_BK + np.arange(users)[:, None] * items).ravel())
    picked_BC = scores_BI.view(-1).unfold(0, BLOCK, 1).index_select(0, cells).view(users, -1)
    items_BC = (first_BK[:, :, None] + np.arange(BLOCK)).reshape(users, -1)
    rest = np.arange(blocks * BLOCK, items)  # shorter than a block: always looked at
    return (
        np.concatenate([picked_BC.numpy(), scores_BI.numpy()[:, rest]], axis=1),
        np.concatenate([items_BC, np.broadcast_to(rest, (users, len(rest)))], axis=1),
    )


def _largest(values_BN: npt.NDArray[np.float32], k: int) -> IntArray:
    """Columns of the k largest values of each row, ascending; of equal values the first."""
    width = values_BN.shape[1]
    kth_B1 = np.partition(values_BN, width - k, axis=1)[:, width - k, None]
    kept_BN = values_BN >= kth_B1
    if np.count_nonzero(kept_BN) > k * len(values_BN):
        tied_BN = values_BN == kth_B1
        room_B1 = k - np.count_nonzero(values_BN > kth_B1, axis=1)[:, None]
        kept_BN &= ~tied_BN | (tied_BN.cumsum(axis=1) <= room_B1)
    return (np.flatnonzero(kept_BN) % width).reshape(-1, k)


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


def _cells(histories: Histories) -> IntArray:
    """The (user, item) pair of each event as one number, user's row * items + item."""
    return histories.rows_N * histories.item_count + histories.items_N


def _evaluation(histories: Histories, ranked: Ranked, targets: IntArray) -> Evaluation:
    """Evaluator what was ranked for these users by the cells that are targets."""
    items = histories.item_count
    scores_UK, items_UK = ranked
    targets_U = np.bincount(targets // items, minlength=len(histories))
    judged_U = np.flatnonzero(targets_U)
    answered_UK = (scores_UK > -np.inf)[judged_U]
    cells_UK = judged_U[:, None] * items + items_UK[judged_U]
    hits_UK = np.isin(cells_UK, targets) & answered_UK
    hits_Uk, items_Uk = hits_UK[:, :10], items_UK[judged_U, :10]
    return Evaluation(
        users=histories.users_U[judged_U],
        values=user_metrics(hits_UK, targets_U[judged_U]),
        coverage=len(np.unique(items_Uk[answered_UK[:, :10]])) / items,
        found_U=hits_Uk.sum(axis=1),
        found_items_N=items_Uk[hits_Uk],
    )
