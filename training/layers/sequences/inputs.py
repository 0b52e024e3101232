"""What next-item models read: padded histories, tags, and embeddings to start from."""

import math

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import svds

from training.data import catalogue
from training.data.histories import FloatArray, Histories, IntArray
from training.layers.sequences.windows import TOKEN, Details

HALF_LIFE_DAYS = 120.0
GAPS = 16  # embeddings of the time between two events
GAP_SCALE = 23.7  # about an hour; no recorded time is at the border of two embeddings


def padded_histories(histories: Histories, token_last: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """read_BT and lengths_B of whole histories, with the token as the first or the last read."""
    lengths_B = histories.lengths_U + 1
    read_BT = np.full((len(histories), int(lengths_B.max(initial=1))), TOKEN)
    positions_N = np.arange(len(histories.items_N)) - np.repeat(
        histories.starts_U1[:-1], histories.lengths_U
    )
    read_BT[histories.rows_N, positions_N + (0 if token_last else 1)] = histories.items_N
    return torch.from_numpy(read_BT), torch.from_numpy(lengths_B)


def padded_details(histories: Histories, token_last: bool) -> Details:
    """What ``padded_histories`` reads, beside the items; 0 at the token and at padding."""
    size = len(histories), int(histories.lengths_U.max(initial=0)) + 1
    types_BT, ages_BT = np.zeros(size, np.int64), np.zeros(size, np.float32)
    positions_N = np.arange(len(histories.items_N)) - np.repeat(
        histories.starts_U1[:-1], histories.lengths_U
    )
    at_N = histories.rows_N, positions_N + (0 if token_last else 1)
    types_BT[at_N], ages_BT[at_N] = histories.places_N, histories.ages_N
    return Details(torch.from_numpy(types_BT), torch.from_numpy(ages_BT))


def gap_of(days: torch.Tensor) -> torch.Tensor:
    """The number of a time's embedding, from 0 to ``GAPS`` - 1: its logarithm, as in HSTU."""
    doublings = torch.log(1 + GAP_SCALE * days.clamp(min=0)) / math.log(2)
    return doublings.long().clamp(max=GAPS - 1)


def warm_embeddings(train: Histories, row_I: IntArray, dimensions: int) -> FloatArray:
    """The leading right singular vectors of users x embedding rows, each element about D^-0.5.

    Fewer than the dimensions where there are few users or rows; none for a catalogue of one item.
    """
    decayed_N = train.weights_N * 0.5 ** (train.ages_N / HALF_LIFE_DAYS)
    counts = train.matrix(decayed_N)
    kept_I = (row_I > 0).astype(np.float32)  # the shared row starts at zero
    to_rows = sp.csr_matrix((kept_I, row_I, np.arange(len(row_I) + 1)))
    counts = (counts @ to_rows).log1p()
    rank = min(dimensions, min(counts.shape) - 1)
    if rank < 1:
        return np.zeros((counts.shape[1], 0), np.float32)
    _, _, right_DR = svds(counts, rank, v0=np.ones(min(counts.shape)))
    scale = np.sqrt(counts.shape[1] / dimensions)
    return np.ascontiguousarray(right_DR[::-1].T * scale, dtype=np.float32)


def padded_tags(items: pa.Table) -> torch.Tensor:
    """tags_IK: the numbers of each item's tags, from 1 up, padded with 0."""
    tags = catalogue.tags(items)
    counts_I = np.diff(tags.indptr)
    tags_IK = np.zeros((len(items), max(1, counts_I.max(initial=0))), np.int64)
    tags_IK[np.arange(tags_IK.shape[1]) < counts_I[:, None]] = tags.indices + 1
    return torch.from_numpy(tags_IK)


def embedding_rows(train: Histories, min_events: int) -> IntArray:
    """For each item the row of its embedding; row 0 is shared by the rare ones."""
    frequent_I = (train.counts_I() >= min_events).astype(np.int64)
    return np.cumsum(frequent_I) * frequent_I
