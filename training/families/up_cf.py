"""UP-CF@r: the recent item frequencies of similar users, the user among them.

Faggioli et al. 2020, "Recency Aware Collaborative Filtering for Next Basket Recommendation". An
item's frequency is its share of a user's last ``window`` baskets, here the days with an event
(section 3.2). Users are compared by the asymmetric cosine of their item sets; a neighbour's weight
is its similarity to the power of ``locality`` (section 3.3).
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch

from training.data.histories import Histories, IntArray
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import Ranker, State
from training.layers.baskets import baskets_of
from training.layers.neighbours import (
    add_rows,
    known_rows,
    record_cut,
    sums_over,
    without_users,
)
from training.layers.popularity import SUMS, popularity

POPULARITY_DAYS = 90.0
POPULARITY_SHARE = 1e-9  # orders the items that no similar user had


@dataclass(frozen=True)
class Config:
    """``asymmetry``: the power of the asking user's number of items, the paper's alpha; one minus
    it is the power of the other user's."""

    window: int = 50
    locality: float = 10.0
    asymmetry: float = 0.25


class Model(Ranker):
    """State: item sets and recent frequencies of all known users, their rows in the data, and
    popularity."""

    config: Config

    rounding = SUMS

    def fit(self, split: Split, context: TrainingContext) -> None:
        self.observe(split.train)
        record_cut(split.train, context)
        context.curve("validation_ndcg@10", 1, context.validate(self.scores))

    def observe(self, histories: Histories) -> None:
        self.popularity_I = popularity(histories, POPULARITY_DAYS)
        self._know(histories)

    def unlearn(
        self, split: Split, histories: Histories, gone_B: IntArray, context: TrainingContext
    ) -> None:
        self.popularity_I = popularity(histories, POPULARITY_DAYS, gone_B)
        self._know(without_users(histories, gone_B))

    def scores(self, batch: Histories) -> torch.Tensor:
        config = self.config
        similar = scaled(item_sets(batch), config.asymmetry) @ self.sets_by_item
        similar.data **= config.locality  # while only the cells of similar users exist
        weights_BU = similar.toarray()
        place_B = np.minimum(np.searchsorted(self.rows_U, batch.users_U), len(self.rows_U) - 1)
        known_B = np.flatnonzero(self.rows_U[place_B] == batch.users_U)
        weights_BU[known_B, place_B[known_B]] = 0  # a user's own row is added apart
        scores_BI = sums_over(weights_BU, self.frequencies_by_item)
        add_rows(scores_BI, recent_frequencies(batch, config.window))  # similarity of 1
        return scores_BI.add_(torch.from_numpy(POPULARITY_SHARE * self.popularity_I))

    def state(self) -> State:
        return {
            f"{name}_{part}": torch.from_numpy(getattr(matrix, part))
            for name, matrix in (("sets", self.sets), ("frequencies", self.frequencies))
            for part in ("data", "indices", "indptr")
        } | {
            "rows_U": torch.from_numpy(self.rows_U),
            "popularity_I": torch.from_numpy(self.popularity_I),
        }

    def load_state(self, state: State) -> None:
        self.popularity_I = state["popularity_I"].numpy()
        self.rows_U = state["rows_U"].numpy()
        self._index(*(self._matrix(state, name) for name in ("sets", "frequencies")))

    def _matrix(self, state: State, name: str) -> sp.csr_matrix:
        parts = tuple(state[f"{name}_{part}"].numpy() for part in ("data", "indices", "indptr"))
        return sp.csr_matrix(parts, shape=(len(parts[2]) - 1, len(self.popularity_I)))

    def _know(self, histories: Histories) -> None:
        self.rows_U = known_rows(histories)
        known = histories.take(self.rows_U)
        self._index(item_sets(known), recent_frequencies(known, self.config.window))

    def _index(self, sets: sp.csr_matrix, frequencies: sp.csr_matrix) -> None:
        self.sets, self.frequencies = sets, frequencies
        self.sets_by_item = scaled(sets, 1 - self.config.asymmetry).T.tocsr()
        self.frequencies_by_item = frequencies.T.tocsr()


def item_sets(histories: Histories) -> sp.csr_matrix:
    """Ones where a user had an item: float32, U x I."""
    sets = histories.matrix(np.ones(len(histories.items_N)))
    sets.data[:] = 1
    return sets


def scaled(sets: sp.csr_matrix, power: float) -> sp.csr_matrix:
    """Rows divided by their number of items to a power."""
    sizes_U = np.maximum(np.diff(sets.indptr), 1).astype(np.float32)
    return (sp.diags(sizes_U**-power) @ sets).tocsr()


def recent_frequencies(histories: Histories, window: int) -> sp.csr_matrix:
    """Share of each user's last ``window`` baskets that have an item: U x I."""
    baskets = baskets_of(histories)
    recent_N = baskets.rank_N < window
    sizes_U = np.maximum(np.minimum(baskets.counts_U, window), 1)
    rows_N = baskets.rows_N[recent_N]
    entries = ((1 / sizes_U[rows_N]).astype(np.float32), (rows_N, baskets.items_N[recent_N]))
    return sp.csr_matrix(entries, (len(histories), histories.item_count))
