"""Item-based collaborative filtering: items bought by the buyers of a user's items.

Cosine between items over their buyers (Sarwar et al. 2001), damped where few buyers support it and
cut to the nearest neighbours (Deshpande & Karypis 2004). A user's history is weighted by its
recency, and an item is its own neighbour with similarity 1: in a grocery most purchases are
repeats.

Where the shop records other event types than the one to predict, each has similarities of its own:
from the items viewed to the items bought by the same users, where an item may be its own neighbour.
An item that was viewed counts among the bought by the strength of views, which is tuned on
validation: most items of a catalogue are never bought in the data.

Under differential privacy the similarities come from a noisy Gram matrix, in which each user has a
row of length 1 over the most popular items, as in Deshpande & Karypis's normalized rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch

from penchant.artifacts import Mechanism
from penchant.interactions import EVENT_TYPES
from training.data.histories import Histories, IntArray
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import Ranker, State
from training.layers.event_types import (
    Strengths,
    from_record,
    from_tensor,
    recorded,
    target_type,
    to_tensor,
    tuned_strengths,
    with_unread,
)
from training.layers.neighbours import add_rows, unit_rows
from training.layers.popularity import SUMS, popularity
from training.privacy.accounting import Guarantee, calibrated
from training.privacy.noise import Doubles, Noise
from training.privacy.statistics import (
    COUNTS_THEN_MOMENTS,
    above_noise,
    noisy_gram,
    noisy_popularity,
)

SPARSE_COST = 40  # multiplications with a dense column in the time of a sparse one
BLOCK = 128  # items whose similarities to all others are in memory at once, and stay in a cache
NONE = -1  # no column
POPULARITY_DAYS = 90.0
POPULARITY_SHARE = 1e-3  # orders only items without a neighbour
PARTS = ("values", "columns", "starts")  # of a compressed matrix


@dataclass(frozen=True)
class Config:
    """Of the items with ``min_buyers`` the ``most_items`` with most buyers have neighbours and are
    some: the time of fitting grows with their square.

    ``shrinkage``: buyers in common at which a similarity counts half. ``half_lives_days`` of a
    user's events and ``neighbour_weights`` (of all neighbours against the item itself) are
    tuned on validation, one after the other.

    Under ``privacy`` the ``private_items`` of the noisiest count have neighbours, of weight
    ``private_neighbour_weight``; nothing is tuned, and other event types aren't used.
    """

    neighbours: int = 100
    min_buyers: int = 5
    most_items: int = 16_000
    shrinkage: float = 10.0
    half_lives_days: tuple[float, ...] = (120.0, 60.0, 240.0)
    neighbour_weights: tuple[float, ...] = (0.02, 0.01, 0.04)
    private_items: int = 100
    private_neighbour_weight: float = 0.1
    privacy: Guarantee | None = None


class Model(Ranker):
    """State: a similarity matrix I x I in compressed rows for each event type, popularity, and what
    was tuned."""

    config: Config
    rounding = SUMS

    def mechanisms(self) -> tuple[Mechanism, ...]:
        return calibrated(COUNTS_THEN_MOMENTS, self.config.privacy)

    def fit(self, split: Split, context: TrainingContext) -> None:
        config, train = self.config, split.train
        self.target = target_type(train)
        if config.privacy:
            self._fit_privately(train, Noise())
            return
        self.observe(train)
        record_cut(train, config, context)
        self.tuned = {
            "half_life_days": config.half_lives_days[0],
            "neighbour_weight": config.neighbour_weights[0],
        }
        tuned_strengths(
            train,
            lambda users, strengths: self._fit(users, context, strengths),
            self.scores,
            context,
        )
        self._tune("half_life_days", config.half_lives_days, context)
        self._tune("neighbour_weight", config.neighbour_weights, context)
        self.tuned |= recorded(self.strengths)

    def _fit(
        self,
        train: Histories,
        context: TrainingContext,
        strengths: Strengths,
        gone_B: IntArray | None = None,
    ) -> None:
        config, self.strengths = self.config, strengths
        acted = {
            name: _actors(train.every_type({name: 1.0})) for name in strengths if strengths[name]
        }
        goals = acted[self.target]
        for name, actors in acted.items():
            if name != self.target:
                goals = goals.maximum(actors * np.float32(strengths[name]))
        self.similarities = {
            name: similarity(
                actors,
                goals,
                config,
                name != self.target,
                context,
                gone_B,
            )
            for name, actors in acted.items()
        }

    def _fit_privately(self, train: Histories, noise: Noise) -> None:
        config, (counting, measuring) = self.config, self.mechanisms()
        self.strengths = {self.target: 1.0}
        self.tuned = {
            "half_life_days": config.half_lives_days[0],
            "neighbour_weight": config.private_neighbour_weight,
        }
        self.popularity_I = noisy_popularity(train, POPULARITY_DAYS, counting, noise)
        items_J = np.sort(np.argsort(-self.popularity_I)[: config.private_items])
        rows_UJ = unit_rows(_actors(train)[:, items_J])
        gram_JJ = noisy_gram(rows_UJ, measuring, noise)
        nearest_JJ = noisy_similarity(gram_JJ, measuring.noise_multiplier)
        placed = sp.csr_matrix(
            (np.ones(len(items_J), np.float32), (np.arange(len(items_J)), items_J)),
            (len(items_J), len(self.popularity_I)),
        )
        self.similarities = {self.target: (placed.T @ sp.csr_matrix(nearest_JJ) @ placed).tocsr()}

    def observe(self, histories: Histories) -> None:
        if self.config.privacy:
            return
        self.popularity_I = popularity(histories, POPULARITY_DAYS)

    def unlearn(
        self, split: Split, histories: Histories, gone_B: IntArray, context: TrainingContext
    ) -> None:
        strengths = from_record(self.tuned, self.target)
        self._fit(split.train, context, strengths, gone_B)
        self.popularity_I = popularity(histories, POPULARITY_DAYS, gone_B)

    def scores(self, batch: Histories) -> torch.Tensor:
        bought = batch.every_type({self.target: 1.0})
        own = self._decayed(with_unread(bought, batch, self.strengths))
        near = own @ self.similarities[self.target]
        for name, strength in self.strengths.items():
            if name != self.target and strength:
                acted = self._decayed(batch.every_type({name: strength}))
                near = near + acted @ self.similarities[name]
        # thousands of items are near, of a catalogue of tens of thousands
        scores_BI = torch.from_numpy(np.float32(POPULARITY_SHARE) * self.popularity_I)
        scores_BI = scores_BI.repeat(len(batch), 1)
        add_rows(scores_BI, own)
        add_rows(scores_BI, near, self.tuned["neighbour_weight"])
        return scores_BI

    def _decayed(self, batch: Histories) -> sp.csr_matrix:
        return batch.matrix(batch.weights_N * 0.5 ** (batch.ages_N / self.tuned["half_life_days"]))

    def state(self) -> State:
        matrices = {
            f"{part}_{name}": torch.from_numpy(array)
            for name, matrix in self.similarities.items()
            for part, array in zip(PARTS, (matrix.data, matrix.indices, matrix.indptr), strict=True)
        }
        return matrices | {
            "popularity_I": torch.from_numpy(self.popularity_I),
            "tuned": torch.tensor(
                [self.tuned["half_life_days"], self.tuned["neighbour_weight"]], dtype=torch.float64
            ),
            "strengths_T": to_tensor(self.strengths),
            "target": torch.tensor(EVENT_TYPES.index(self.target)),
        }

    def load_state(self, state: State) -> None:
        self.popularity_I = state["popularity_I"].numpy()
        shape = (len(self.popularity_I),) * 2
        self.similarities = {
            name: sp.csr_matrix(
                tuple(state[f"{part}_{name}"].numpy() for part in PARTS), shape=shape
            )
            for name in EVENT_TYPES
            if f"{PARTS[0]}_{name}" in state
        }
        self.strengths = from_tensor(state["strengths_T"])
        self.target = EVENT_TYPES[int(state["target"])]
        half_life, neighbour_weight = state["tuned"].tolist()
        self.tuned = {"half_life_days": half_life, "neighbour_weight": neighbour_weight}

    def _tune(self, name: str, candidates: tuple[float, ...], context: TrainingContext) -> None:
        found = {}
        for step, candidate in enumerate(candidates):
            self.tuned[name] = candidate
            found[candidate] = context.validate(self.scores)
            context.curve(f"validation_ndcg@10_by_{name}", step, found[candidate])
        self.tuned[name] = max(found, key=found.__getitem__)


def _actors(histories: Histories) -> sp.csr_matrix:
    """1 where a user has an event with an item, U x I."""
    return histories.matrix(histories.weights_N).astype(bool).astype(np.float32)


def noisy_similarity(gram_JJ: Doubles, deviation: float) -> np.ndarray:
    """Damped cosines between items from their noisy Gram matrix; zero where noise alone could be.

    The noise's standard deviation is both what damps and the least that an item counts.
    """
    common_JJ = np.maximum(above_noise(gram_JJ, deviation), 0)
    np.fill_diagonal(common_JJ, 0)
    root_J = np.sqrt(np.maximum(gram_JJ.diagonal(), deviation))
    damped_JJ = common_JJ**2 / (common_JJ + deviation)
    return (damped_JJ / np.outer(root_J, root_J)).astype(np.float32)


def similarity(
    acted: sp.csr_matrix,
    goals: sp.csr_matrix,
    config: Config,
    itself: bool,
    context: TrainingContext,
    gone_B: IntArray | None = None,
) -> sp.csr_matrix:
    """Row j: how near the nearest items i are to item j, at most ``config.neighbours`` of them;
    ``itself``: j may be among them.

    ``acted``: ones, U x I, where a user has an event of some type with an item; ``goals``: 1 where
    one of the type to predict, less where one of another type. With n_ij users in common:
    n_ij / sqrt(n_i · n_j) · n_ij / (n_ij + shrinkage). Of the users in rows ``gone_B`` all counts
    are subtracted.
    """
    actors_I, buyers_I = _counts(acted, gone_B), _counts(goals, gone_B)
    rows_J = _frequent(actors_I, config)
    columns_K = _frequent(_counts(goals > 0, gone_B), config)
    place_I = np.full(len(actors_I), NONE)
    place_I[columns_K] = np.arange(len(columns_K))
    actors, buyers = acted[:, rows_J].T.tocsr(), goals[:, columns_K].tocsr()
    pairs = _Pairs(
        actors,
        buyers,
        np.sqrt(actors_I[rows_J]),
        np.sqrt(buyers_I[columns_K]),
        place_I[rows_J],
        None if gone_B is None else (actors[:, gone_B], buyers[gone_B]),
    )
    kept = [
        _nearest(block_RK, rows, config.neighbours)
        for block_RK, rows in pairs.blocks(config.shrinkage, itself, context)
    ] or [(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))]
    values, rows, columns = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    shape = (len(actors_I),) * 2
    cells = (rows_J[rows], columns_K[columns])
    matrix = sp.csr_matrix((values.astype(np.float32), cells), shape)
    matrix.sort_indices()
    return matrix


def record_cut(train: Histories, config: Config, context: TrainingContext) -> None:
    """Record that not all items with enough buyers have neighbours."""
    buyers_I = train.matrix(train.weights_N).getnnz(axis=0)
    if np.count_nonzero(buyers_I >= config.min_buyers) > config.most_items:
        context.cut(f"neighbours among the {config.most_items:,} items with most buyers")


def _frequent(buyers_I: np.ndarray, config: Config) -> IntArray:
    """items_J that have neighbours, ascending."""
    order_I = np.argsort(-buyers_I, kind="stable")
    enough = int((buyers_I >= config.min_buyers).sum())
    return np.sort(order_I[: min(enough, config.most_items)])


def _counts(matrix: sp.csr_matrix, gone_B: IntArray | None) -> np.ndarray:
    """Sums of columns, less those of some rows."""
    sums_I = np.asarray(matrix.sum(axis=0)).ravel()
    return sums_I if gone_B is None else sums_I - np.asarray(matrix[gone_B].sum(axis=0)).ravel()


@dataclass(frozen=True)
class _Pairs:
    """``actors``: J x U; ``buyers``: U x K; the roots of how many users each item has; ``own_J``:
    the column of each row's item, ``NONE`` where it has none; ``gone``: the columns and rows of
    users who are subtracted."""

    actors: sp.csr_matrix
    buyers: sp.csr_matrix
    scale_J: np.ndarray
    scale_K: np.ndarray
    own_J: IntArray
    gone: tuple[sp.csr_matrix, sp.csr_matrix] | None = None

    def blocks(
        self, shrinkage: float, itself: bool, context: TrainingContext
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Similarities of a block of items to all, dense, with the rows that the block is."""
        of_buyers = self.buyers.T.tocsr() if self._dense_is_faster() else None
        for first in range(0, len(self.scale_J), BLOCK):
            context.budget.check()
            rows = np.arange(first, min(first + BLOCK, len(self.scale_J)))
            actors = self.actors[rows]
            if of_buyers is None:
                block_RK = (actors @ self.buyers).toarray()
            else:  # whole rows are added up, see layers/neighbours.py
                block_RK = np.ascontiguousarray((of_buyers @ actors.T.toarray(order="C")).T)
            if self.gone is not None:
                block_RK -= (self.gone[0][rows] @ self.gone[1]).toarray()
            damped_RK = block_RK + np.float32(shrinkage)
            block_RK *= block_RK
            block_RK /= damped_RK
            block_RK /= self.scale_J[rows, None]
            block_RK /= self.scale_K
            if not itself:
                own_R = self.own_J[rows]
                has = np.flatnonzero(own_R != NONE)
                block_RK[has, own_R[has]] = 0
            yield block_RK, rows

    def _dense_is_faster(self) -> bool:
        """Whether users have so many items that their products with dense columns are faster."""
        per_user_U = np.bincount(self.actors.indices, minlength=self.buyers.shape[0])
        pairs = per_user_U @ np.diff(self.buyers.indptr).astype(np.int64)
        return bool(SPARSE_COST * pairs > self.buyers.nnz * self.actors.shape[0])


def _nearest(
    block_RJ: np.ndarray, rows: np.ndarray, neighbours: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, rows and columns of the largest positive similarities of each row."""
    k = min(neighbours, block_RJ.shape[1])
    values_RK, columns_RK = torch.topk(torch.from_numpy(block_RJ), k, dim=1)
    values, columns = values_RK.numpy().ravel(), columns_RK.numpy().ravel()
    positive = values > 0
    return values[positive], np.repeat(rows, k)[positive], columns[positive]
