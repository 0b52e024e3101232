"""A small ranker for the evaluation of synthetic histories: a ridge regression from a user's
decayed history to the items of the window after it.

It is no family, so that an edit of one changes no generator's run. The sums of two sets of users
add up, so that a ranker of both costs one more solve and not one more pass over the first.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch

from training.data.histories import DAY, FloatArray, Histories, IntArray
from training.data.split import WINDOW_DAYS
from training.layers.popularity import popularity

POPULARITY_DAYS = 90.0
POPULARITY_SHARE = 1e-3  # orders items without weights
USERS_A_BLOCK = 2048


@dataclass(frozen=True)
class RankerConfig:
    """``most_items``: with most buyers, the others get no weights. ``windows``: the last ones of
    the training data, from which it learns. ``regularization``: the ridge on every weight."""

    most_items: int = 1500
    windows: int = 4
    regularization: float = 3000.0
    half_life_days: float = 120.0


@dataclass(frozen=True)
class Sums:
    """X'X and X'Y of users' decayed histories X and the items Y of the window after, J x J each."""

    gram_JJ: FloatArray
    products_JJ: FloatArray

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.gram_JJ + other.gram_JJ, self.products_JJ + other.products_JJ)


@dataclass(frozen=True)
class RidgeRanker:
    """``weights_JJ``: from an item of a history to a next item. ``items_J``: of the catalogue."""

    config: RankerConfig
    items_J: IntArray
    weights_JJ: FloatArray
    popularity_I: FloatArray

    @classmethod
    def of(
        cls, config: RankerConfig, items_J: IntArray, sums: Sums, train: Histories
    ) -> "RidgeRanker":
        """The weights of least squares with a ridge; ``train``: for popularity."""
        ridged_JJ = torch.from_numpy(sums.gram_JJ.copy())
        ridged_JJ.diagonal().add_(config.regularization)
        weights_JJ = torch.cholesky_solve(
            torch.from_numpy(sums.products_JJ), torch.linalg.cholesky(ridged_JJ)
        )
        return cls(config, items_J, weights_JJ.numpy(), popularity(train, POPULARITY_DAYS))

    def scores(self, batch: Histories) -> torch.Tensor:
        """scores_BI; an item without weights scores by its own past."""
        past = decayed(batch, self.config)
        scores_BI = self.weights_JJ.diagonal().mean() * past.toarray()
        scores_BI[:, self.items_J] = past[:, self.items_J] @ self.weights_JJ
        return torch.from_numpy(scores_BI + POPULARITY_SHARE * self.popularity_I)


def frequent_items(train: Histories, most_items: int) -> IntArray:
    """items_J with most buyers, ascending."""
    buyers_I = train.matrix(train.weights_N).getnnz(axis=0)
    return np.sort(np.argsort(-buyers_I, kind="stable")[:most_items]).astype(np.int64)


def sums_of(train: Histories, items_J: IntArray, config: RankerConfig) -> Sums:
    """The sums over the users of each window with events before it and in it."""
    found = Sums(*(np.zeros((len(items_J),) * 2, np.float32) for _ in range(2)))
    window = WINDOW_DAYS * DAY
    for number in range(1, config.windows + 1):
        cut = train.end - number * window
        past, after = train.before(cut), train.between(cut, cut + window)
        rows = np.flatnonzero((past.lengths_U > 0) & (after.lengths_U > 0))
        for rows_B in np.array_split(rows, -(-len(rows) // USERS_A_BLOCK)) if len(rows) else ():
            then = after.take(rows_B)
            past_BJ = decayed(past.take(rows_B), config)[:, items_J].toarray()
            next_BJ = then.matrix(then.weights_N)[:, items_J].sign().toarray()
            found += Sums(past_BJ.T @ past_BJ, past_BJ.T @ next_BJ)
    return found


def decayed(histories: Histories, config: RankerConfig) -> sp.csr_matrix:
    """The weight of each item in each history, halved every ``half_life_days``."""
    return histories.matrix(histories.weights_N * 0.5 ** (histories.ages_N / config.half_life_days))
