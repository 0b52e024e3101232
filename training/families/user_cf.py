"""User-based collaborative filtering: items bought by users with similar histories.

Cosine between a user's history and those of all users known, over items weighted by their rarity;
the nearest neighbours' items are weighted by similarity (Herlocker et al. 1999, "An Algorithmic
Framework for Performing Collaborative Filtering"). As in nearest sessions (Ludewig & Jannach 2018,
"Evaluation of Session-based Recommendation Algorithms") similarity is by recent events. A
neighbour's events decay more slowly: its old purchases may still be new to the user. New users need
no training: a history is enough.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch

from training.data.histories import FloatArray, Histories, IntArray
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import Ranker, State
from training.layers.neighbours import (
    add_rows,
    dot_products,
    known_users,
    record_cut,
    sums_over,
    unit_rows,
)
from training.layers.popularity import SUMS, popularity

POPULARITY_DAYS = 90.0
POPULARITY_SHARE = 1e-3  # orders only items of no neighbour


@dataclass(frozen=True)
class Config:
    """``half_life_days`` of a user's events, ``neighbour_half_life_days`` of the
    neighbours' events. A neighbour's weight is its similarity to the power of ``sharpness``; an
    item's is users over buyers to the power of ``rarity``. ``neighbour_weight``: of all neighbours
    relative to the user's own history."""

    neighbours: int = 100
    half_life_days: float = 120.0
    neighbour_half_life_days: float = 120.0
    sharpness: float = 2.0
    rarity: float = 0.0
    neighbour_weight: float = 0.5


class Model(Ranker):
    """State: the histories of the users known, ``bought`` U x I in compressed rows, and
    popularity."""

    config: Config

    rounding = SUMS

    def fit(self, split: Split, context: TrainingContext) -> None:
        self.observe(split.train)
        record_cut(split.train, context)
        context.curve("validation_ndcg@10", 1, context.validate(self.scores))

    def observe(self, histories: Histories) -> None:
        self.popularity_I = popularity(histories, POPULARITY_DAYS)
        self._index(decayed(known_users(histories), self.config.neighbour_half_life_days))

    def unlearn(
        self, split: Split, histories: Histories, gone_B: IntArray, context: TrainingContext
    ) -> None:
        self.popularity_I = popularity(histories, POPULARITY_DAYS, gone_B)
        self._index(decayed(known_users(histories, gone_B), self.config.neighbour_half_life_days))

    def scores(self, batch: Histories) -> torch.Tensor:
        config = self.config
        own = decayed(batch, config.half_life_days)
        similar_BU = dot_products(unit_rows(own @ self.rarity), self.known_by_item)
        weights_BU = nearest(similar_BU, config.neighbours) ** np.float32(config.sharpness)
        total_B1 = np.maximum(weights_BU.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        weights_BU *= config.neighbour_weight / total_B1
        scores_BI = sums_over(weights_BU, self.bought_by_item)
        add_rows(scores_BI, own)
        return scores_BI.add_(torch.from_numpy(POPULARITY_SHARE * self.popularity_I))

    def state(self) -> State:
        return {
            "values": torch.from_numpy(self.bought.data),
            "columns": torch.from_numpy(self.bought.indices),
            "starts": torch.from_numpy(self.bought.indptr),
            "popularity_I": torch.from_numpy(self.popularity_I),
        }

    def load_state(self, state: State) -> None:
        parts = tuple(state[name].numpy() for name in ("values", "columns", "starts"))
        self.popularity_I = state["popularity_I"].numpy()
        shape = (len(parts[2]) - 1, len(self.popularity_I))
        self._index(sp.csr_matrix(parts, shape=shape))

    def _index(self, bought: sp.csr_matrix) -> None:
        self.bought = bought
        buyers_I = np.maximum(bought.getnnz(axis=0), 1)
        rarity_I = (bought.shape[0] / buyers_I) ** self.config.rarity
        self.rarity = sp.diags(rarity_I.astype(np.float32))
        self.known_by_item = unit_rows(bought @ self.rarity).T.tocsr()
        self.bought_by_item = bought.T.tocsr()


def decayed(histories: Histories, half_life_days: float) -> sp.csr_matrix:
    """log(1 + decayed events) of each user and item, U x I."""
    weights_N = histories.weights_N * 0.5 ** (histories.ages_N / half_life_days)
    return histories.matrix(weights_N).log1p()


def nearest(similar_BU: FloatArray, count: int) -> FloatArray:
    """The largest ``count`` similarities of each row, 0 for the others."""
    count = min(count, similar_BU.shape[1])
    values_BK, users_BK = torch.topk(torch.from_numpy(similar_BU), count, dim=1)
    found_BU = np.zeros_like(similar_BU)
    np.put_along_axis(found_BU, users_BK.numpy(), values_BK.numpy(), axis=1)
    return found_BU
