"""TIFU-KNN: temporally decayed item frequencies of a user and of the nearest users.

Hu et al. 2020, "Modeling Personalized Item Frequency Information for Next-basket Recommendation".
A user's baskets, here the days with an event, are split into groups of ``group_size`` from the
newest back. A basket counts ``basket_decay`` to the power of its place in its group, a group
``group_decay`` to the power of its place (section 4.1). The score is the user's own vector and the
mean vector of the nearest users by Euclidean distance (section 4.2).
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch

from training.data.histories import FloatArray, Histories, IntArray
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import Ranker, State
from training.layers.baskets import baskets_of
from training.layers.neighbours import add_rows, dot_products, known_users, record_cut, sums_over
from training.layers.popularity import SUMS, popularity

POPULARITY_DAYS = 90.0
POPULARITY_SHARE = 1e-6  # orders the items that neither the user nor a neighbour had


@dataclass(frozen=True)
class Config:
    """``own_weight``: of the user's own vector, the paper's alpha."""

    group_size: int = 7
    basket_decay: float = 0.9
    group_decay: float = 0.7
    neighbours: int = 300
    own_weight: float = 0.7


class Model(Ranker):
    """State: the vectors of all known users, U x I in compressed rows, and popularity."""

    config: Config

    rounding = SUMS

    def fit(self, split: Split, context: TrainingContext) -> None:
        self.observe(split.train)
        record_cut(split.train, context)
        context.curve("validation_ndcg@10", 1, context.validate(self.scores))

    def observe(self, histories: Histories) -> None:
        self.popularity_I = popularity(histories, POPULARITY_DAYS)
        self._index(item_frequencies(known_users(histories), self.config))

    def unlearn(
        self, split: Split, histories: Histories, gone_B: IntArray, context: TrainingContext
    ) -> None:
        self.popularity_I = popularity(histories, POPULARITY_DAYS, gone_B)
        self._index(item_frequencies(known_users(histories, gone_B), self.config))

    def scores(self, batch: Histories) -> torch.Tensor:
        own, weight = item_frequencies(batch, self.config), self.config.own_weight
        scores_BI = sums_over((1 - weight) * self._nearest(own), self.by_item)
        add_rows(scores_BI, own, weight)
        return scores_BI.add_(torch.from_numpy(POPULARITY_SHARE * self.popularity_I))

    def state(self) -> State:
        return {
            "values": torch.from_numpy(self.known.data),
            "columns": torch.from_numpy(self.known.indices),
            "starts": torch.from_numpy(self.known.indptr),
            "popularity_I": torch.from_numpy(self.popularity_I),
        }

    def load_state(self, state: State) -> None:
        parts = tuple(state[name].numpy() for name in ("values", "columns", "starts"))
        self.popularity_I = state["popularity_I"].numpy()
        self._index(sp.csr_matrix(parts, shape=(len(parts[2]) - 1, len(self.popularity_I))))

    def _index(self, known: sp.csr_matrix) -> None:
        self.known = known
        self.by_item = known.T.tocsr()
        self.squares_U = np.asarray(known.multiply(known).sum(axis=1)).ravel()

    def _nearest(self, own: sp.csr_matrix) -> FloatArray:
        """weights_BU: 1 / neighbours for each of the nearest known users, 0 for the others."""
        count = min(self.config.neighbours, self.known.shape[0])
        # |a - b|^2 without |a|^2, which is the same for all candidates of a row
        distances_BU = self.squares_U - 2 * dot_products(own, self.by_item)
        nearest_BK = torch.topk(torch.from_numpy(distances_BU), count, dim=1, largest=False).indices
        weights_BU = np.zeros(distances_BU.shape, np.float32)
        np.put_along_axis(weights_BU, nearest_BK.numpy(), np.float32(1 / count), axis=1)
        return weights_BU


def item_frequencies(histories: Histories, config: Config) -> sp.csr_matrix:
    """Decayed item frequencies of each user, divided by the groups and their size: U x I."""
    baskets = baskets_of(histories)
    group_N, place_N = np.divmod(baskets.rank_N, config.group_size)
    groups_U = np.maximum(-(-baskets.counts_U // config.group_size), 1)
    weights_N = config.basket_decay**place_N * config.group_decay**group_N
    weights_N = weights_N / (config.group_size * groups_U[baskets.rows_N])
    shape = (len(histories), histories.item_count)
    entries = (weights_N.astype(np.float32), (baskets.rows_N, baskets.items_N))
    return sp.csr_matrix(entries, shape)
