"""Candidates of several families and their features.

Candidates are the items at the top of a member's list, of all items and of those new to the user.
Features of a pair: the members' scores and ranks; the user's own history with the item (count,
recency, regularity); the item's popularity; and the length and age of the user's history, by which
a learner can weigh members differently for cold and warm users.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from training.data.histories import Histories, IntArray
from training.evaluation.metrics.full_ranking import Scorer, top
from training.layers.fusion.combination import deviations
from training.layers.popularity import popularity

HALF_LIVES_DAYS = (7.0, 14.0, 30.0, 60.0, 120.0, 360.0)
POPULARITY_DAYS = (90.0, 14.0)
RARE = 1e-7  # share added to all, for a finite logarithm
OF_A_MEMBER = ("score", "rank", "rank among new")
OF_A_HABIT = (
    *(f"own events, half-life {days:g} days" for days in HALF_LIVES_DAYS),
    "own events",
    "days since",
    "bought before",
    "bought again before",
    "days between",
    "days since over days between",
)
OF_AN_ITEM = ("popularity", "popularity's trend")
OF_A_USER = ("events known", "days since the last", "days known", "share bought again")


@dataclass(frozen=True)
class Candidates:
    """N pairs of B users and items, user by user, items ascending.

    ``count_B``: pairs of each user. ``features_NF``: in the order of ``names``.
    """

    item_N: IntArray
    count_B: IntArray
    features_NF: torch.Tensor

    @property
    def row_N(self) -> IntArray:
        return np.repeat(np.arange(len(self.count_B)), self.count_B)


@dataclass(frozen=True)
class ItemStatistics:
    """Popularity shares at the beginning of a window, and which items were ever sold; the others
    are never candidates."""

    share_PI: torch.Tensor
    sold_I: torch.Tensor

    @classmethod
    def of(cls, histories: Histories) -> "ItemStatistics":
        shares = [popularity(histories, days) for days in POPULARITY_DAYS]
        sold_I = torch.from_numpy(histories.counts_I() > 0)
        return cls(torch.from_numpy(np.stack(shares)), sold_I)


def names(members: Sequence[str]) -> tuple[str, ...]:
    """Names of the features, in order."""
    of_members = (f"{member}: {name}" for member in members for name in OF_A_MEMBER)
    return (*of_members, *OF_A_HABIT, *OF_AN_ITEM, *OF_A_USER)


def feature_groups(members: Sequence[str]) -> dict[str, list[int]]:
    """Columns of each group of features, without those of the user."""
    width, found = len(OF_A_MEMBER), dict[str, list[int]]()
    for place, member in enumerate(members):
        found[member] = list(range(place * width, (place + 1) * width))
    first = width * len(members)
    found["own habit"] = list(range(first, first + len(OF_A_HABIT)))
    first += len(OF_A_HABIT)
    return found | {"popularity": list(range(first, first + len(OF_AN_ITEM)))}


def candidates(
    scores_MBI: Sequence[torch.Tensor], batch: Histories, statistics: ItemStatistics, depth: int
) -> Candidates:
    """The top ``depth`` of each member, of all items and of those new to the user."""
    items = batch.item_count
    seen_rows, seen_items = torch.from_numpy(batch.rows_N), torch.from_numpy(batch.items_N).long()
    mask_I = torch.where(statistics.sold_I, 0.0, -torch.inf)  # faster than filling columns
    lists: list[tuple[IntArray, IntArray]] = []
    raw_MBI, moments_MB = [], []
    for scores_BI in scores_MBI:
        mean_B = scores_BI.mean(dim=1)
        moments_MB.append((mean_B, deviations(scores_BI - mean_B[:, None])))
        raw_MBI.append(scores_BI)
        masked_BI = scores_BI + mask_I
        best = _top_cells(masked_BI, depth)
        masked_BI[seen_rows, seen_items] = -torch.inf
        lists.append((best, _top_cells(masked_BI, depth)))
    flat = [cells_BK.ravel() for pair in lists for cells_BK in pair]
    cell_N = np.unique(np.concatenate(flat))
    cell_N = cell_N[cell_N >= 0]
    row_N, item_N = np.divmod(cell_N, items)
    columns = []
    for scores_BI, (mean_B, deviation_B), pair in zip(raw_MBI, moments_MB, lists, strict=True):
        picked_N = scores_BI[row_N, item_N]
        columns.append((((picked_N - mean_B[row_N]) / deviation_B[row_N]).clamp(min=0)).log1p())
        columns += [torch.from_numpy(_discounts(cell_N, cells_BK)) for cells_BK in pair]
    features_NF = torch.cat(
        [
            torch.stack(columns, dim=1),
            habits(batch, cell_N),
            _of_items(statistics, item_N),
            _of_users(batch)[row_N],
        ],
        dim=1,
    )
    return Candidates(item_N, np.bincount(row_N, minlength=len(batch)), features_NF)


def member_scores(scorers: Sequence[Scorer], batch: Histories) -> list[torch.Tensor]:
    """The scores_BI of each member's scorer, on the CPU."""
    return [score(batch).float().cpu() for score in scorers]


def _top_cells(scores_BI: torch.Tensor, depth: int) -> IntArray:
    """The best ``depth`` items of each user as user's row * items + item, -1 where there is none.

    None where a member scores all items the same.
    """
    scores_BK, items_BK = top(scores_BI, depth)
    cells_BK = np.arange(len(items_BK))[:, None] * scores_BI.shape[1] + items_BK
    ranked_B1 = scores_BK[:, :1] > scores_BK[:, -1:]
    return np.where((scores_BK > -np.inf) & ranked_B1, cells_BK, -1)


def _discounts(cell_N: IntArray, cells_BK: IntArray) -> np.ndarray:
    """The discount of NDCG at an item's rank in its user's list; 0 for items not on it."""
    rank_BK = np.broadcast_to(np.arange(cells_BK.shape[1]), cells_BK.shape)
    on = cells_BK >= 0
    discount_N = np.zeros(len(cell_N), np.float32)
    discount_N[np.searchsorted(cell_N, cells_BK[on])] = 1 / np.log2(rank_BK[on] + 2)
    return discount_N


def habits(batch: Histories, cell_N: IntArray) -> torch.Tensor:
    """features_NH: each user's own history with an item; all 0 without one."""
    owned_E, event_E = np.unique(
        batch.rows_N * batch.item_count + batch.items_N, return_inverse=True
    )
    times_E = np.bincount(event_E, minlength=len(owned_E))
    last_E, first_E = np.full(len(owned_E), np.inf), np.zeros(len(owned_E))
    np.minimum.at(last_E, event_E, batch.ages_N)
    np.maximum.at(first_E, event_E, batch.ages_N)
    gap_E = (first_E - last_E) / np.maximum(times_E - 1, 1)
    again_E = times_E > 1
    columns = [
        np.log1p(np.bincount(event_E, batch.weights_N * 0.5 ** (batch.ages_N / days), len(owned_E)))
        for days in HALF_LIVES_DAYS
    ]
    columns += [np.log1p(times_E), np.log1p(last_E), np.ones(len(owned_E)), again_E]
    columns += [np.log1p(gap_E), again_E * np.log((last_E + 1) / (gap_E + 1))]
    table_EH = np.stack(columns, axis=1).astype(np.float32)
    found_NH = np.zeros((len(cell_N), table_EH.shape[1]), np.float32)
    if len(owned_E):
        at_N = np.minimum(np.searchsorted(owned_E, cell_N), len(owned_E) - 1)
        own_N = owned_E[at_N] == cell_N
        found_NH[own_N] = table_EH[at_N[own_N]]
    return torch.from_numpy(found_NH)


def _of_items(statistics: ItemStatistics, item_N: IntArray) -> torch.Tensor:
    long_N, short_N = ((share_I[item_N] + RARE).log() for share_I in statistics.share_PI)
    return torch.stack([long_N, short_N - long_N], dim=1)


def _of_users(batch: Histories) -> torch.Tensor:
    lengths_B = batch.lengths_U
    last_B, first_B = np.full(len(batch), 1000.0), np.zeros(len(batch))
    np.minimum.at(last_B, batch.rows_N, batch.ages_N)
    np.maximum.at(first_B, batch.rows_N, batch.ages_N)
    different_B = batch.matrix(batch.weights_N).getnnz(axis=1)
    again_B = 1 - different_B / np.maximum(lengths_B, 1)
    columns = [np.log1p(lengths_B), np.log1p(last_B), np.log1p(first_B), again_B]
    return torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))
