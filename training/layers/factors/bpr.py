"""Bayesian personalised ranking: one epoch of stochastic gradient descent (Rendle et al. 2009).

The paper compares each item that a user has with one item drawn at random. Here a block of users
shares its drawn items, and each item that one of them has is compared with all of these: two dense
products a block in the place of one gathered negative an event. The regularizer
shrinks each row once an epoch, by as much as its events would have. A drawn item that the user has
too isn't left out.
"""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
import torch
from torch.nn import functional as F

USERS_A_BLOCK = 1024


def epoch(
    weights: sp.csr_matrix,
    users_UD: torch.Tensor,
    items_ID: torch.Tensor,
    rate: float,
    regularization: float,
    negatives: int,
    random: np.random.Generator,
) -> None:
    """Improve both factors in place.

    ``weights``: how much each (user, item) counts, U x I. The last dimension is the item's bias:
    a user's is 1 there and stays so.
    """
    users_UD[:, -1] = 1
    for rows_B, part in _blocks(weights, random):
        drawn_S = torch.from_numpy(random.integers(0, weights.shape[1], negatives))
        _descend(part, rows_B, drawn_S.to(items_ID.device), users_UD, items_ID, rate)
    for factors_RD, events_R in ((users_UD, weights.sum(axis=1)), (items_ID, weights.sum(axis=0))):
        shrink_R1 = torch.from_numpy(np.asarray(events_R, np.float32).reshape(-1, 1))
        factors_RD /= 1 + rate * regularization * shrink_R1.to(factors_RD)
    users_UD[:, -1] = 1


def _blocks(
    weights: sp.csr_matrix, random: np.random.Generator
) -> Iterator[tuple[torch.Tensor, sp.csr_matrix]]:
    order = random.permutation(np.flatnonzero(np.diff(weights.indptr)))
    for first in range(0, len(order), USERS_A_BLOCK):
        rows_B = order[first : first + USERS_A_BLOCK]
        yield torch.from_numpy(rows_B), weights[rows_B]


def _descend(
    part: sp.csr_matrix,
    rows_B: torch.Tensor,
    drawn_S: torch.Tensor,
    users_UD: torch.Tensor,
    items_ID: torch.Tensor,
    rate: float,
) -> None:
    """One step for a block of users."""
    device = items_ID.device
    items_N = torch.from_numpy(part.indices.astype(np.int64)).to(device)
    starts_B = torch.from_numpy(part.indptr[:-1].astype(np.int64)).to(device)
    owners_N = torch.from_numpy(np.repeat(np.arange(len(rows_B)), np.diff(part.indptr))).to(device)
    users_BD, drawn_SD = users_UD[rows_B], items_ID[drawn_S]
    had_N = (F.embedding(owners_N, users_BD) * F.embedding(items_N, items_ID)).sum(1)
    margin_NS = F.embedding(owners_N, users_BD @ drawn_SD.T).sub_(had_N[:, None])
    weight_N = torch.from_numpy(part.data).to(device) / len(drawn_S)
    wrong_NS = margin_NS.sigmoid_().mul_(weight_N[:, None])
    pull_N = wrong_NS.sum(1)
    push_BS = F.embedding_bag(torch.arange(len(items_N)), wrong_NS, starts_B, mode="sum")
    towards_BD = F.embedding_bag(items_N, items_ID, starts_B, mode="sum", per_sample_weights=pull_N)
    users_UD[rows_B] += rate * towards_BD.addmm_(push_BS, drawn_SD, alpha=-1)
    order_N = items_N.argsort(stable=True)
    found_K, counts_K = items_N[order_N].unique_consecutive(return_counts=True)
    items_ID.index_add_(
        0,
        found_K,
        F.embedding_bag(
            owners_N[order_N],
            users_BD,
            counts_K.cumsum(0) - counts_K,
            mode="sum",
            per_sample_weights=pull_N[order_N],
        ),
        alpha=rate,
    )
    items_ID.index_add_(0, drawn_S, push_BS.T @ users_BD, alpha=-rate)


def with_bias(factors_RD: torch.Tensor) -> torch.Tensor:
    """Append a column for the item's bias to the factors."""
    return F.pad(factors_RD, (0, 1))
