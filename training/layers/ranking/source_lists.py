"""Candidate sources: each lists its best items of every user, whose scores and ranks are features.

A list has a source's best items, then its best items that are new to the user. Costly sources list
only items of some buyers: the others are too rare to be recommended from other users' behaviour,
and make the catalogue four times as large.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from penchant.ranking.features import Listed
from training.data.histories import Histories, IntArray
from training.evaluation.metrics.full_ranking import Scorer, parts, top
from training.evaluation.metrics.intervals import FloatArray, Interval, bootstrap

NONE = -1  # no item


@dataclass(frozen=True)
class Depth:
    """Items of a list: of all, and of those new to the user."""

    all: int
    new: int = 0

    @property
    def length(self) -> int:
        return self.all + self.new


@dataclass(frozen=True)
class Catalogue:
    """The items that a source lists: ``items_J``; ``place_I``: where in them, ``NONE`` if not."""

    items_J: IntArray
    place_I: IntArray

    @classmethod
    def of(cls, histories: Histories, min_buyers: int) -> "Catalogue":
        """The items of enough buyers; at least one."""
        buyers_I = histories.matrix(histories.weights_N).getnnz(axis=0)
        enough = max(1, min(min_buyers, int(buyers_I.max(initial=0))))
        items_J = np.flatnonzero(buyers_I >= enough) if buyers_I.any() else np.arange(1)
        place_I = np.full(histories.item_count, NONE)
        place_I[items_J] = np.arange(len(items_J))
        return cls(items_J, place_I)

    def only(self, histories: Histories) -> Histories:
        """Histories of these items, numbered by their place."""
        kept = histories.only(self.place_I[histories.items_N] != NONE)
        items_N = self.place_I[kept.items_N].astype(np.int32)
        others = None if kept.others is None else self.only(kept.others)
        return replace(kept, items_N=items_N, item_count=len(self.items_J), others=others)


@dataclass(frozen=True)
class SourceLists:
    """One source's lists of B users, best first: ``items_BL``, ``NONE`` at the end of shorter ones,
    and their scores."""

    items_BL: IntArray
    score_BL: FloatArray

    def cells(self, item_count: int) -> IntArray:
        """Row of the user * items + item of every listed pair."""
        rows_B1 = np.arange(len(self.items_BL))[:, None]
        cells_BL: IntArray = rows_B1 * item_count + self.items_BL
        return np.asarray(cells_BL[self.items_BL != NONE], np.int64)

    def first(self, length: int) -> "SourceLists":
        """At most the first ``length`` items of each list."""
        return SourceLists(self.items_BL[:, :length], self.score_BL[:, :length])

    def listed(self, cell_C: IntArray, item_count: int) -> Listed:
        """Scores and ranks of pairs, in any order."""
        cell_N = self.cells(item_count)
        rank_BL = np.broadcast_to(np.arange(1, self.items_BL.shape[1] + 1), self.items_BL.shape)
        order_N = np.argsort(cell_N)
        score_N = self.score_BL[self.items_BL != NONE][order_N]
        rank_N = rank_BL[self.items_BL != NONE][order_N].astype(np.float64)
        if not len(cell_N):
            return Listed(np.full(len(cell_C), np.nan), np.full(len(cell_C), np.nan))
        at_C = np.minimum(np.searchsorted(cell_N[order_N], cell_C), len(cell_N) - 1)
        found_C = cell_N[order_N][at_C] == cell_C
        return Listed(
            np.where(found_C, score_N[at_C], np.nan), np.where(found_C, rank_N[at_C], np.nan)
        )


def lists_of(
    score: Scorer, histories: Histories, depth: Depth, catalogue: Catalogue
) -> SourceLists:
    """The lists of users by a scorer of the items of ``catalogue``."""
    found = [_lists(score, part, depth) for part in parts(catalogue.only(histories))]
    if not found:
        return SourceLists(
            np.zeros((0, depth.length), np.int64), np.zeros((0, depth.length), np.float64)
        )
    places_BL = np.concatenate([items for items, _ in found])
    items_BL = np.where(places_BL == NONE, NONE, catalogue.items_J[places_BL])
    return SourceLists(items_BL, np.concatenate([scores for _, scores in found]))


def _lists(score: Scorer, batch: Histories, depth: Depth) -> tuple[IntArray, FloatArray]:
    scores_BJ = score(batch)
    all_scores_BK, all_items_BK = top(scores_BJ, depth.all)
    found_items, found_scores = [all_items_BK], [all_scores_BK]
    if depth.new:
        rows, items = torch.from_numpy(batch.rows_N), torch.from_numpy(batch.items_N).long()
        scores_BJ[rows, items] = -torch.inf
        rows_B1 = torch.arange(len(batch))[:, None]
        scores_BJ[rows_B1, torch.from_numpy(np.ascontiguousarray(all_items_BK))] = -torch.inf
        new_scores_BK, new_items_BK = top(scores_BJ, depth.new)
        found_items.append(new_items_BK)
        found_scores.append(new_scores_BK)
    score_BL = np.concatenate(found_scores, axis=1).astype(np.float64)
    items_BL = np.where(np.isfinite(score_BL), np.concatenate(found_items, axis=1), NONE)
    return items_BL, np.where(items_BL == NONE, np.nan, score_BL)


def recall_at_100(lists: SourceLists, targets: Histories, seed: int) -> Interval | None:
    """Share of the items that users of ``lists`` acted on in a window among the first 100 of the
    list; None without users with targets."""
    items = targets.item_count
    target_T = np.unique(targets.rows_N * items + targets.items_N)
    wanted_B = np.bincount(target_T // items, minlength=len(targets))
    first = lists.first(100).cells(items)
    found_B = np.bincount(target_T[np.isin(target_T, first)] // items, minlength=len(targets))
    evaluated_B = wanted_B > 0
    if not evaluated_B.any():
        return None
    return bootstrap((found_B / np.maximum(wanted_B, 1))[evaluated_B], seed)


def union(lists: Sequence[SourceLists], item_count: int) -> IntArray:
    """The pairs that any source lists, ascending."""
    return np.unique(np.concatenate([one.cells(item_count) for one in lists]))
