"""Implicit matrix factorization by alternating least squares (Hu, Koren & Volinsky 2008).

A user prefers what they had (1) to what they didn't (0), with confidence 1 + alpha · r, where r is
the recency-decayed weight of their events with the item. Each half of a sweep is one ridge
regression a row, solved exactly, in batches of rows of like length. Users are folded in from their
histories with the item factors fixed, so that a new shopper or a new purchase needs no training.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch

from training.data import Histories
from training.families.popularity import popularity
from training.family import Bench, State, VectorFamily
from training.split import Split

CELLS_A_BATCH = 1 << 18  # padded (row, entry) pairs solved at once; bounds the memory
POPULARITY_DAYS = 90.0
POPULARITY_SHARE = 1e-2  # orders items for a user of whom nothing is known


@dataclass(frozen=True)
class Config:
    """``regularization`` is the ridge on every factor; ``half_life_days`` the decay of an event."""

    dimensions: int = 64
    min_buyers: int = 5
    log: bool = False
    alpha: float = 10.0
    regularization: float = 10.0
    half_life_days: float = 120.0
    sweeps: int = 6


class Model(VectorFamily):
    """State: ``factors_ID`` of the items as learned at T1, and ``popularity_I`` as last observed.

    Vectors have one dimension more than the factors: it carries popularity, at a small share, so
    that an empty history ranks by popularity and the dot product is still the whole score.
    """

    config: Config

    def fit(self, split: Split, bench: Bench) -> None:
        config = self.config
        self.observe(split.train)
        generator = torch.Generator().manual_seed(bench.seed)
        factors_ID = torch.randn(split.train.item_count, config.dimensions, generator=generator)
        self.factors_ID = factors_ID.to(bench.device) / config.dimensions**0.5
        ratings = self._ratings(split.train)
        few = np.asarray((ratings > 0).sum(axis=0)).ravel() < config.min_buyers
        by_item = ratings.T.tocsr()
        by_item = sp.diags((~few).astype(np.float32)) @ by_item
        by_item.eliminate_zeros()
        ratings = by_item.T.tocsr()
        for sweep in range(config.sweeps):
            users_UD = solve(ratings, self.factors_ID, config.alpha, config.regularization)
            self.factors_ID = solve(by_item, users_UD, config.alpha, config.regularization)
            bench.budget.check()
            bench.curve("squared_norm", sweep, float(self.factors_ID.square().sum()))
        bench.curve("validation_ndcg@10", config.sweeps, bench.validate(self.scores))

    def observe(self, histories: Histories) -> None:
        self.popularity_I = torch.from_numpy(popularity(histories, POPULARITY_DAYS))

    def user_vectors(self, batch: Histories) -> torch.Tensor:
        config = self.config
        factors_BD = solve(
            self._ratings(batch), self.factors_ID, config.alpha, config.regularization
        )
        ones_B1 = torch.full((len(batch), 1), POPULARITY_SHARE, device=factors_BD.device)
        return torch.cat([factors_BD, ones_B1], dim=1)

    def item_vectors(self) -> torch.Tensor:
        return torch.cat([self.factors_ID, self.popularity_I.to(self.factors_ID)[:, None]], dim=1)

    def state(self) -> State:
        return {"factors_ID": self.factors_ID.cpu(), "popularity_I": self.popularity_I}

    def load_state(self, state: State) -> None:
        self.factors_ID = state["factors_ID"]
        self.popularity_I = state["popularity_I"]

    def _ratings(self, histories: Histories) -> sp.csr_matrix:
        decayed_N = histories.weights_N * 0.5 ** (histories.ages_N / self.config.half_life_days)
        m = histories.matrix(decayed_N)
        if self.config.log: m.data = np.log1p(m.data/0.3)
        return m


def solve(
    ratings: sp.csr_matrix, factors_JD: torch.Tensor, alpha: float, regularization: float
) -> torch.Tensor:
    """The factors of each row of ``ratings`` (R x J) that fit it best against ``factors_JD``.

    Row r solves (YᵀY + Yᵀ(C - 1)Y + regularization) x = YᵀC1 with C = 1 + alpha · rating on the
    row's entries and 1 elsewhere; YᵀY is shared by all rows. A row without entries gets zeros.
    """
    dimensions = factors_JD.shape[1]
    shared_DD = factors_JD.T @ factors_JD
    shared_DD += regularization * torch.eye(dimensions, device=factors_JD.device)
    solved_RD = torch.zeros(ratings.shape[0], dimensions, device=factors_JD.device)
    for rows, columns_RL, ratings_RL in _batches(ratings):
        columns_RL, ratings_RL = columns_RL.to(factors_JD.device), ratings_RL.to(factors_JD.device)
        entries_RLD = factors_JD[columns_RL]
        extra_RL = alpha * ratings_RL  # 0 where padded, and so is the padding's weight below
        normal_RDD = torch.baddbmm(shared_DD, (entries_RLD * extra_RL[:, :, None]).mT, entries_RLD)
        weights_RL = (1 + extra_RL) * (ratings_RL > 0)
        right_RD1 = entries_RLD.mT @ weights_RL[:, :, None]
        lower_RDD = torch.linalg.cholesky(normal_RDD)
        solved_RD[rows] = torch.cholesky_solve(right_RD1, lower_RDD)[:, :, 0]
    return solved_RD


def _batches(
    ratings: sp.csr_matrix,
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Rows of like length, padded with rating 0 to the longest of their batch."""
    lengths_R = np.diff(ratings.indptr)
    order = np.argsort(lengths_R, kind="stable")
    order = order[lengths_R[order] > 0]
    while len(order):
        widest = lengths_R[order[-1]]
        rows, order = np.split(order, [max(0, len(order) - max(1, CELLS_A_BATCH // widest))])[::-1]
        offsets_RL = np.arange(widest)
        inside_RL = offsets_RL < lengths_R[rows, None]
        entries_RL = np.where(inside_RL, ratings.indptr[rows, None] + offsets_RL, 0)
        yield (
            torch.from_numpy(rows),
            torch.from_numpy(ratings.indices[entries_RL].astype(np.int64)),
            torch.from_numpy(np.where(inside_RL, ratings.data[entries_RL], 0)),
        )
