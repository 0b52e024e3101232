"""Products of a batch of users with all known users: similarities, and sums over neighbours.

Similarities are a product of two sparse matrices: only the buyers of a user's own items are
visited. A weighted sum over neighbours is nearly dense, so its factor of weights is dense, with a
column for each user of the batch, and SciPy adds whole columns at a time. Axes: B users of the
batch, U known users, I items.
"""

import numpy as np
import scipy.sparse as sp
import torch

from training.data.histories import FloatArray, Histories, IntArray
from training.data.recent_users import recent_users
from training.fitting.context import TrainingContext

CELL_COST = 16  # cells of a dense matrix that are added in the time of one alone

KNOWN_USERS = 50_000  # who can be neighbours, at most: every user is compared with them


def known_users(histories: Histories, gone_B: IntArray | None = None) -> Histories:
    """The users who can be neighbours, in a large shop the most recently active, without those in
    rows ``gone_B``."""
    left = histories if gone_B is None else without_users(histories, gone_B)
    return left if len(left) <= KNOWN_USERS else left.take(known_rows(left))


def known_rows(histories: Histories) -> IntArray:
    """Rows of the users who can be neighbours, ascending."""
    return recent_users(histories, KNOWN_USERS)


def without_users(histories: Histories, gone_B: IntArray) -> Histories:
    """The users but for those in some rows."""
    return histories.take(np.delete(np.arange(len(histories)), gone_B))


def record_cut(histories: Histories, context: TrainingContext) -> None:
    """Record that not all users can be neighbours."""
    if len(histories) > KNOWN_USERS:
        context.cut(f"neighbours among the {KNOWN_USERS:,} most recently active users")


def unit_rows(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Rows of length 1; an empty row stays empty."""
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = 1 / np.maximum(lengths, np.finfo(np.float32).tiny)
    return (sp.diags(scale.astype(np.float32)) @ matrix).tocsr()


def dot_products(batch: sp.csr_matrix, by_item: sp.csr_matrix) -> FloatArray:
    """products_BU of the rows of ``batch`` (B x I) and of the known users, the columns of
    ``by_item`` (I x U)."""
    products_BU: FloatArray = (batch @ by_item).toarray()
    return products_BU


def sums_over(weights_BU: FloatArray, by_item: sp.csr_matrix) -> torch.Tensor:
    """sums_BI: for each user of the batch the weighted sum of known users' rows.

    ``by_item``: the known users' rows as columns, I x U.
    """
    sums_IB: FloatArray = by_item @ np.ascontiguousarray(weights_BU.T)
    return torch.from_numpy(sums_IB).T.contiguous()


def add_rows(scores_BI: torch.Tensor, rows: sp.csr_matrix, weight: float = 1.0) -> None:
    """Add ``weight`` times a sparse matrix of the same shape, in place: cell by cell, or as a dense
    matrix where it has so many cells that this is faster."""
    if CELL_COST * rows.nnz > scores_BI.numel():
        scores_BI.add_(torch.from_numpy(rows.toarray()), alpha=weight)
        return
    rows_N = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    values_N = torch.from_numpy((weight * rows.data).astype(np.float32))
    cells = (torch.from_numpy(rows_N), torch.from_numpy(rows.indices.astype(np.int64)))
    scores_BI.index_put_(cells, values_N, accumulate=True)
