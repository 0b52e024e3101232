"""Item-based collaborative filtering: items bought by the buyers of a user's items.

Cosine between items over their buyers (Sarwar et al. 2001), damped where few buyers support it and
cut to the nearest neighbours (Deshpande & Karypis 2004). A user's history is weighted by its
recency, and an item is its own neighbour with similarity 1: in a grocery most purchases are
repeats.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch

from training.data.histories import Histories
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import Ranker, State
from training.layers.popularity import popularity

BLOCK = 512  # items whose similarities to all others are in memory at once
POPULARITY_DAYS = 90.0
POPULARITY_SHARE = 1e-3  # orders only items without a neighbour


@dataclass(frozen=True)
class Config:
    """``shrinkage``: buyers in common at which a similarity counts half. ``half_lives_days`` of a
    user's events and ``neighbour_weights`` (of all neighbours against the item itself) are
    tuned on validation, one after the other."""

    neighbours: int = 100
    min_buyers: int = 5
    shrinkage: float = 10.0
    half_lives_days: tuple[float, ...] = (120.0, 60.0, 240.0)
    neighbour_weights: tuple[float, ...] = (0.02, 0.01, 0.04)


class Model(Ranker):
    """State: the similarity matrix I x I in compressed rows, popularity, and what was tuned."""

    config: Config

    def fit(self, split: Split, context: TrainingContext) -> None:
        config = self.config
        buyers = split.train.matrix(split.train.weights_N).astype(bool).astype(np.float32)
        self.similarity = similarity(
            buyers, config.neighbours, config.min_buyers, config.shrinkage, context
        )
        self.observe(split.train)
        self.tuned = {
            "half_life_days": config.half_lives_days[0],
            "neighbour_weight": config.neighbour_weights[0],
        }
        self._tune("half_life_days", config.half_lives_days, context)
        self._tune("neighbour_weight", config.neighbour_weights, context)

    def observe(self, histories: Histories) -> None:
        self.popularity_I = popularity(histories, POPULARITY_DAYS)

    def scores(self, batch: Histories) -> torch.Tensor:
        decayed_N = batch.weights_N * 0.5 ** (batch.ages_N / self.tuned["half_life_days"])
        own = batch.matrix(decayed_N)
        scores_BI = (own @ self.similarity).toarray()
        scores_BI *= self.tuned["neighbour_weight"]
        scores_BI += own.toarray() + POPULARITY_SHARE * self.popularity_I
        return torch.from_numpy(scores_BI)

    def state(self) -> State:
        return {
            "values": torch.from_numpy(self.similarity.data),
            "columns": torch.from_numpy(self.similarity.indices),
            "starts": torch.from_numpy(self.similarity.indptr),
            "popularity_I": torch.from_numpy(self.popularity_I),
            "tuned": torch.tensor(
                [self.tuned["half_life_days"], self.tuned["neighbour_weight"]], dtype=torch.float64
            ),
        }

    def load_state(self, state: State) -> None:
        parts = (state[name].numpy() for name in ("values", "columns", "starts"))
        self.popularity_I = state["popularity_I"].numpy()
        self.similarity = sp.csr_matrix(tuple(parts), shape=(len(self.popularity_I),) * 2)
        half_life, neighbour_weight = state["tuned"].tolist()
        self.tuned = {"half_life_days": half_life, "neighbour_weight": neighbour_weight}

    def _tune(self, name: str, candidates: tuple[float, ...], context: TrainingContext) -> None:
        found = {}
        for step, candidate in enumerate(candidates):
            self.tuned[name] = candidate
            found[candidate] = context.validate(self.scores)
            context.curve(f"validation_ndcg@10_by_{name}", step, found[candidate])
        self.tuned[name] = max(found, key=found.__getitem__)


def similarity(
    buyers: sp.csr_matrix,
    neighbours: int,
    min_buyers: int,
    shrinkage: float,
    context: TrainingContext,
) -> sp.csr_matrix:
    """Row j: how near the nearest items i are to item j, at most ``neighbours`` of them, not j
    itself.

    ``buyers``: ones, U x I. With n_ij buyers in common: n_ij / sqrt(n_i · n_j) · n_ij / (n_ij +
    shrinkage). Items of fewer than ``min_buyers`` have no neighbours and are none.
    """
    count_I = np.asarray(buyers.sum(axis=0)).ravel()
    common = np.flatnonzero(count_I >= min_buyers)  # J of the I items
    buyers = buyers[:, common].tocsr()
    scale_J = np.sqrt(count_I[common])
    kept = [
        _nearest(block_RJ, rows, neighbours)
        for block_RJ, rows in _blocks(buyers, scale_J, shrinkage, context)
    ] or [(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))]
    values, rows, columns = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    shape = (len(count_I),) * 2
    matrix = sp.csr_matrix((values.astype(np.float32), (common[rows], common[columns])), shape)
    matrix.sort_indices()
    return matrix


def _blocks(
    buyers: sp.csr_matrix, scale_J: np.ndarray, shrinkage: float, context: TrainingContext
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Similarities of a block of items to all, dense, with the rows that the block is."""
    buyers_of = buyers.T.tocsr()
    for first in range(0, len(scale_J), BLOCK):
        context.budget.check()
        rows = np.arange(first, min(first + BLOCK, len(scale_J)))
        block_RJ = (buyers_of[rows] @ buyers).toarray()
        block_RJ *= block_RJ / (block_RJ + shrinkage)
        block_RJ /= scale_J[rows, None] * scale_J
        block_RJ[np.arange(len(rows)), rows] = 0
        yield block_RJ, rows


def _nearest(
    block_RJ: np.ndarray, rows: np.ndarray, neighbours: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, rows and columns of the largest positive similarities of each row."""
    k = min(neighbours, block_RJ.shape[1])
    values_RK, columns_RK = torch.topk(torch.from_numpy(block_RJ), k, dim=1)
    values, columns = values_RK.numpy().ravel(), columns_RK.numpy().ravel()
    positive = values > 0
    return values[positive], np.repeat(rows, k)[positive], columns[positive]
