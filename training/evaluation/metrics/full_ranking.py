"""Full ranking: each family ranks the whole catalogue for every user, evaluated in one way.

Metrics on sampled negatives do not preserve the order of models (Krichene & Rendle 2020, "On
Sampled Metrics for Item Recommendation"). Two populations: ``all`` items, and ``new``, without the
items that a user had before, in the ranking and in the targets.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from training.data.histories import Histories, IntArray
from training.data.sorted_cells import found_in, occurring
from training.data.split import Window
from training.evaluation.metrics.intervals import Interval, intervals
from training.evaluation.metrics.leaderboard import RANKS, accuracy
from training.evaluation.metrics.recommended_lists import NO_ITEM

POPULATIONS = ("all", "new")
LIST_LENGTH = 10  # of the lists that beyond-accuracy metrics are about
SCORES_A_BATCH = 1 << 22  # 16 MB: stays in the cache while it is ranked
BLOCK = 32  # columns whose maximum is compared first

Scorer = Callable[[Histories], torch.Tensor]
"""Histories of B users -> scores_BI, on any device, a tensor that the caller may overwrite."""

Ranked = tuple[npt.NDArray[np.float32], IntArray]
"""scores_UK and items_UK, best first."""


@dataclass(frozen=True)
class Evaluation:
    """One population of one window. ``values``: metric name -> one value for each of ``users``.

    ``items_UK``: the first ten items of each user, best first, ``NO_ITEM`` where there are fewer.
    ``found_U``: number of targets among them; ``found_items_N``: which, user by user, best first.
    """

    users: IntArray
    values: dict[str, npt.NDArray[np.float64]]
    items_UK: IntArray
    found_U: IntArray
    found_items_N: IntArray

    def intervals(self, seed: int) -> dict[str, Interval]:
        """The mean of each metric; empty when no user was evaluated."""
        if not len(self.users):
            return {}
        found = intervals(np.stack(list(self.values.values()), axis=1), seed)
        return dict(zip(self.values, found, strict=True))


def evaluate_window(
    score: Scorer, window: Window, populations: tuple[str, ...] = POPULATIONS
) -> dict[str, Evaluation]:
    """Evaluate a scorer on a window, for each of the populations.

    Targets are the distinct items of the window; users without any are not evaluated. An item
    without an event of any type before the window is never recommended and stays a target, so every
    family misses it.
    """
    ranked = rank(score, window, max(RANKS), populations)
    evaluated = window.evaluated()
    targets = {"all": np.unique(_cells(evaluated.targets))}
    if "new" in populations:
        seen = occurring(targets["all"], _cells(evaluated.histories))
        targets["new"] = targets["all"][~seen]
    return {
        population: _evaluation(evaluated.histories, ranked[population], targets[population])
        for population in populations
    }


def ndcg_at_10(score: Scorer, window: Window, population: str = "all") -> float:
    """Mean NDCG@10: the metric that families are tuned on."""
    found = evaluate_window(score, window, (population,))[population]
    return float(found.values["ndcg@10"].mean())


def rank(
    score: Scorer, window: Window, k: int, populations: tuple[str, ...] = POPULATIONS
) -> dict[str, Ranked]:
    """The best ``k`` items for each evaluated user, in the order of ``window.evaluated()``.

    Users are scored in the order of their histories' lengths, so that a sequence model pads little.
    Masked scores are overwritten in place.
    """
    known_I = torch.from_numpy(window.histories.counts_of_every_type_I() > 0)
    mask_I = torch.where(known_I, 0.0, -torch.inf)  # one pass, where filling columns is scattered
    histories = window.evaluated().histories
    order_U = np.argsort(histories.lengths_U, kind="stable")
    found = {name: empty_lists(len(histories), k, histories.item_count) for name in populations}
    done = 0
    for part in parts(histories.take(order_U)):
        rows_B = order_U[done : done + len(part)]
        done += len(part)
        scores_BI = score(part)
        scores_BI += mask_I.to(scores_BI)
        if "all" in populations:
            _put(found["all"], rows_B, top(scores_BI, k))
        if "new" in populations:
            rows_N, items_N = torch.from_numpy(part.rows_N), torch.from_numpy(part.items_N).long()
            scores_BI[rows_N.to(scores_BI.device), items_N.to(scores_BI.device)] = -torch.inf
            _put(found["new"], rows_B, top(scores_BI, k))
    return found


def best(
    score: Scorer, histories: Histories, k: int, after_part: Callable[[], None] = lambda: None
) -> Ranked:
    """The best ``k`` items of the whole catalogue for each user, in order. ``after_part``: called
    after each batch."""
    found = empty_lists(len(histories), k, histories.item_count)
    done = 0
    for part in parts(histories):
        _put(found, np.arange(done, done + len(part)), top(score(part), k))
        done += len(part)
        after_part()
    return found


def empty_lists(users: int, k: int, item_count: int) -> Ranked:
    """Arrays for the lists of all users. Lists that are kept batch by batch leave holes between the
    batches' large arrays, which glibc doesn't return: gigabytes with 50,000 items."""
    shape = (users, min(k, item_count))
    return np.empty(shape, np.float32), np.empty(shape, np.int64)


def _put(lists: Ranked, rows_B: IntArray, ranked: Ranked) -> None:
    scores, items = lists
    scores[rows_B], items[rows_B] = ranked


def parts(histories: Histories) -> Iterator[Histories]:
    """The histories in batches whose scores fit in memory at once."""
    return histories.parts(max(1, SCORES_A_BATCH // histories.item_count))


def top(scores_BI: torch.Tensor, k: int) -> Ranked:
    """Best ``k`` scores and items of each user, best first. A score of -inf is no recommendation.

    On the CPU the result is that of a stable sort, equal scores by item, in half of
    ``torch.topk``'s time: the best k items are in the k blocks of columns with the largest maxima,
    so only those blocks are sorted.
    """
    scores_BI = scores_BI.float()
    k = min(k, scores_BI.shape[1])
    if scores_BI.is_cuda:  # fast, and the order of equal scores is undefined
        scores_BK, items_BK = torch.topk(scores_BI, k, dim=1)
        return scores_BK.cpu().numpy(), items_BK.cpu().numpy()
    cells_BC, items_BC = _candidates(scores_BI.contiguous(), k)
    picked_BK = _largest(cells_BC, k)
    values_BK = np.take_along_axis(cells_BC, picked_BK, 1)
    found_BK = np.take_along_axis(items_BC, picked_BK, 1)
    order_BK = np.argsort(-values_BK, axis=1, kind="stable")
    return np.take_along_axis(values_BK, order_BK, 1), np.take_along_axis(found_BK, order_BK, 1)


def _candidates(scores_BI: torch.Tensor, k: int) -> tuple[npt.NDArray[np.float32], IntArray]:
    """Scores and columns of C items of each row, columns ascending, that include the best k.

    Of equal maxima the first blocks are taken: they hold k scores at least as large as any that is
    left out, in earlier columns.
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
    rest = np.arange(blocks * BLOCK, items)  # shorter than a block: always included
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
        slots_B1 = k - np.count_nonzero(values_BN > kth_B1, axis=1)[:, None]
        kept_BN &= ~tied_BN | (tied_BN.cumsum(axis=1) <= slots_B1)
    return (np.flatnonzero(kept_BN) % width).reshape(-1, k)


def _cells(histories: Histories) -> IntArray:
    """The (user, item) pair of each event as one number: row of the user * items + item."""
    return histories.rows_N * histories.item_count + histories.items_N


def _evaluation(histories: Histories, ranked: Ranked, targets: IntArray) -> Evaluation:
    """Evaluate ranked lists; ``targets``: sorted cells, see ``_cells``."""
    items = histories.item_count
    scores_UK, items_UK = ranked
    targets_U = np.bincount(targets // items, minlength=len(histories))
    evaluated_U = np.flatnonzero(targets_U)
    ranked_UK = (scores_UK > -np.inf)[evaluated_U]
    cells_UK = evaluated_U[:, None] * items + items_UK[evaluated_U]
    hits_UK = found_in(targets, cells_UK) & ranked_UK
    hits_Uk = hits_UK[:, :LIST_LENGTH]
    items_Uk = np.where(ranked_UK, items_UK[evaluated_U], NO_ITEM)[:, :LIST_LENGTH]
    return Evaluation(
        users=histories.users_U[evaluated_U],
        values=accuracy(hits_UK, targets_U[evaluated_U]),
        items_UK=items_Uk,
        found_U=hits_Uk.sum(axis=1),
        found_items_N=items_Uk[hits_Uk],
    )
