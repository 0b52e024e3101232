"""Approximate nearest items by vector (HNSW), with the item id of each position.

Similarity is the cosine: by dot product, the items with the longest vectors, the best sellers,
would be similar to every item.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from usearch.index import BatchMatches, Index

from penchant.encryption import parquet as pq
from penchant.encryption.encrypted_file import is_encrypted_file, read_bytes
from penchant.errors import DataError
from penchant.storage import is_mapped

INDEX_FILE = "items.usearch"
IDS_FILE = "item_ids.parquet"
METRIC = "cos"
RECALL_AT = 10
BATCH = 16  # queries that are compared with all vectors at a time
EXPANSION_SEARCH = 256
"""Candidates during a search; usearch's default of 64 misses a tenth of a Transformer's nearest."""


@dataclass(frozen=True)
class HnswIndex:
    """The index, and at each of its positions an item id."""

    index: Index
    item_ids: list[str]

    @classmethod
    def build(cls, item_ids: list[str], vectors: np.ndarray, numbers: str = "f32") -> "HnswIndex":
        """Index ``vectors`` (float32, a row per item), stored as f32, f16 or i8; with one thread,
        so that the result is reproducible."""
        index = Index(
            ndim=vectors.shape[1],
            metric=METRIC,
            dtype=numbers,
            expansion_add=128,
            expansion_search=EXPANSION_SEARCH,
        )
        index.add(np.arange(len(item_ids), dtype=np.uint64), vectors, threads=1)
        return cls(index, item_ids)

    @classmethod
    def open(cls, directory: Path) -> "HnswIndex":
        """Raises DataError for a file that is no index."""
        path = directory / INDEX_FILE
        encrypted = is_encrypted_file(path)
        index = Index.restore(
            read_bytes(path) if encrypted else str(path),
            view=is_mapped(path) and not encrypted,
            expansion_search=EXPANSION_SEARCH,
        )
        if index is None:
            raise DataError(f"{path} is not an index", "publish it again")
        ids = pq.read_table(directory / IDS_FILE, columns=["item_id"])
        return cls(index, ids["item_id"].to_pylist())

    def save(self, directory: Path) -> None:
        self.index.save(str(directory / INDEX_FILE))
        write_ids(directory, self.item_ids)

    def search(self, vector: np.ndarray, k: int) -> list[tuple[str, float]]:
        """The ``k`` nearest items and their cosine to ``vector``, nearest first."""
        found = self.index.search(vector, k)
        return [
            (self.item_ids[int(position)], 1.0 - float(distance))
            for position, distance in zip(found.keys, found.distances, strict=True)
        ]

    def rows(self, vector: np.ndarray, k: int) -> np.ndarray:
        """Where the ``k`` nearest items are in the order of ``item_ids``, nearest first; int64."""
        return np.asarray(self.index.search(vector, k).keys).astype(np.int64)

    def recall(self, queries: np.ndarray, vectors: np.ndarray) -> float:
        """See ``share_found``; ``vectors`` are those that were indexed."""
        k = min(RECALL_AT, len(self.item_ids))
        matches = self.index.search(queries, k, threads=1)
        assert isinstance(matches, BatchMatches)  # of a matrix of queries
        found = np.arange(k) < matches.counts[:, None]  # the rest of a row is unset
        return share_found(np.where(found, matches.keys, -1).astype(np.int64), queries, vectors)


def share_found(positions: np.ndarray, queries: np.ndarray, vectors: np.ndarray) -> float:
    """Recall of an index: share of the exact nearest that it found, averaged over queries.

    ``positions``: the rows of ``vectors`` found for each query, -1 where one is missing. An item as
    near as the last exact one counts as found, since items with equal vectors have no order.
    """
    last = exact_last(queries, vectors, positions.shape[1])
    found = positions >= 0
    near_vectors = unit(vectors[np.where(found, positions, 0)])
    cosines = np.einsum("qd,qkd->qk", unit(queries), near_vectors)
    return float((found & (cosines >= last[:, None] - 1e-6)).mean())


def exact_last(queries: np.ndarray, vectors: np.ndarray, k: int) -> np.ndarray:
    """The cosine of each query's exact k-th nearest vector; in batches, since the cosines of one
    query to a million vectors take 4 MB."""
    directions, lasts = unit(vectors), []
    for first in range(0, len(queries), BATCH):
        cosines = unit(queries[first : first + BATCH]) @ directions.T
        lasts.append(np.partition(cosines, -k, axis=1)[:, -k])
    return np.concatenate(lasts)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors normalized to length 1 along the last axis."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def write_ids(directory: Path, item_ids: list[str]) -> None:
    """The item id of each position, beside the index."""
    pq.write_table(pa.table({"item_id": item_ids}), directory / IDS_FILE)
