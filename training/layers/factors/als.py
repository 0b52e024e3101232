"""Alternating least squares: one half of a sweep, exact (Hu, Koren & Volinsky 2008).

Each row is a ridge regression of its few preferences on the other side's factors, plus the same
quadratic form for all rows: the items that were not bought. The shared form is taken
out once, by changing to coordinates in which it is the identity. What is left is a plain ridge
regression of the row's own n entries, solved in D x D, or, for the many rows with n < D, in n x n,
by the dual form.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
from torch.nn import functional as F

CELLS_A_BATCH = 1 << 14  # padded (row, entry) pairs solved at once; small enough to stay in cache


@dataclass(frozen=True)
class Fixed:
    """The side that is kept while the other is solved. What all rows share is computed once, so
    that one user's fold-in doesn't read all items.
    """

    factors_JD: torch.Tensor
    regularization: float

    def solve(self, ratings: sp.csr_matrix, alpha: float) -> torch.Tensor:
        """factors_RD of the rows of ``ratings`` (R x J) that fit them best.

        Row r solves (Y'Y + Y'(C - 1)Y + regularization) x = Y'Cp, where p = log(1 + rating) and C
        is 1 + alpha · rating on the row's entries and 1 elsewhere. A row without entries gets 0.
        """
        device, dimensions = self.factors_JD.device, self.factors_JD.shape[1]
        white_JD, whiten_DD = self._white
        solved_RD = torch.zeros(ratings.shape[0], dimensions, device=device)
        for rows, columns_RL, ratings_RL in _batches(ratings):
            columns_RL, ratings_RL = columns_RL.to(device), ratings_RL.to(device)
            solved_RD[rows] = _ridge(white_JD, columns_RL, ratings_RL, alpha)
        return solved_RD @ whiten_DD

    @cached_property
    def _white(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The factors where the shared form is the identity, and the way back."""
        dimensions, device = self.factors_JD.shape[1], self.factors_JD.device
        identity_DD = torch.eye(dimensions, device=device)
        shared_DD = self.factors_JD.T @ self.factors_JD + self.regularization * identity_DD
        lower_DD = torch.linalg.cholesky(shared_DD)
        whiten_DD = torch.linalg.solve_triangular(lower_DD, identity_DD, upper=False)
        return self.factors_JD @ whiten_DD.T, whiten_DD


def _ridge(
    white_JD: torch.Tensor, columns_RL: torch.Tensor, ratings_RL: torch.Tensor, alpha: float
) -> torch.Tensor:
    """solved_RD of min |x|² + Σ extra · (x · y - target)², by the smaller of its two forms."""
    extra_RL = alpha * ratings_RL  # 0 where padded
    root_RL1 = extra_RL.sqrt()[:, :, None]
    preferred_RL = (1 + extra_RL) * torch.log1p(ratings_RL)
    entries_RLD = F.embedding(columns_RL, white_JD)
    length, dimensions = entries_RLD.shape[1:]
    if length < dimensions:
        gram_RLL = (entries_RLD @ entries_RLD.mT).mul_(root_RL1).mul_(root_RL1.mT)
        targets_RL1 = torch.where(root_RL1 > 0, preferred_RL[:, :, None] / root_RL1, 0)
        weights_RL1 = root_RL1 * _solve_plus_identity(gram_RLL, targets_RL1)
        return F.embedding_bag(
            columns_RL, white_JD, mode="sum", per_sample_weights=weights_RL1[:, :, 0]
        )
    inputs_RLD = entries_RLD * root_RL1
    right_RD1 = entries_RLD.mT @ preferred_RL[:, :, None]
    return _solve_plus_identity(inputs_RLD.mT @ inputs_RLD, right_RD1)[:, :, 0]


def _solve_plus_identity(matrices_RNN: torch.Tensor, right_RN1: torch.Tensor) -> torch.Tensor:
    matrices_RNN.diagonal(dim1=1, dim2=2).add_(1)
    return torch.cholesky_solve(right_RN1, torch.linalg.cholesky(matrices_RNN))


def _batches(
    ratings: sp.csr_matrix,
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Rows of like length with their columns and ratings, padded with rating 0 to the longest."""
    lengths_R = np.diff(ratings.indptr)
    order = np.argsort(lengths_R, kind="stable")
    order = order[lengths_R[order] > 0]
    while len(order):
        widest = lengths_R[order[-1]]
        size = min(len(order), max(1, CELLS_A_BATCH // widest))
        order, rows = order[:-size], order[-size:]
        offsets_L = np.arange(widest)
        inside_RL = offsets_L < lengths_R[rows, None]
        entries_RL = np.where(inside_RL, ratings.indptr[rows, None] + offsets_L, 0)
        yield (
            torch.from_numpy(rows),
            torch.from_numpy(ratings.indices[entries_RL].astype(np.int64)),
            torch.from_numpy(np.where(inside_RL, ratings.data[entries_RL], np.float32(0))),
        )
