"""The vector index of a release: HNSW or IVF in its own files, or pgvector in Postgres."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from penchant.errors import DataError, UsageError
from penchant.releases.hnsw_index import HnswIndex
from penchant.releases.ivf_index import IvfIndex
from penchant.releases.pgvector_index import PgvectorIndex
from penchant.releases.release import Release
from penchant.settings import Settings
from penchant.vectors import FLOAT, HALF, INT8, matrix

POSTGRES = "postgres"
IVF = "ivf"
LARGE = 50_000
"""Items above which the index is IVF: HNSW takes some seconds to build for as many, minutes for a
million."""
INDEXED = {FLOAT: ("f32",), HALF: ("f16",), INT8: ("i8", "f16")}
"""The number types that HNSW tries, as usearch names them: the smallest first."""
# Users notice a list of ten that misses more than one neighbour in twenty. HNSW at these settings
# finds over 99 % on learned vectors.
MIN_RECALL = 0.95
RECALL_QUERIES = 500  # the 95 % interval is then ±0.9 % at 0.99, narrower above


class Nearest(Protocol):
    """Nearest items by cosine. Safe to share between threads."""

    def search(self, vector: np.ndarray, k: int) -> list[tuple[str, float]]:
        """The ``k`` nearest items and their cosine to ``vector``, nearest first."""

    def rows(self, vector: np.ndarray, k: int) -> np.ndarray:
        """The positions of the ``k`` nearest in the release's ``item_vectors``; int64."""

    def recall(self, queries: np.ndarray, vectors: np.ndarray) -> float:
        """Share of the exact nearest 10 that is found; ``vectors``: of all items."""


@dataclass(frozen=True)
class Indexed:
    """``kind``: the number type of HNSW, or ``ivf``, or ``postgres``. ``recall``: at 10, with
    items' own vectors as queries."""

    kind: str
    recall: float


def build_index(
    settings: Settings, directory: Path, attempt: str, items: pa.Table, kind: str
) -> Indexed:
    """Index the rows of ``item_vectors``, whose vectors are of ``kind`` (see penchant/vectors.py).

    Raises DataError for an index with low recall.
    """
    item_ids, vectors = items["item_id"].to_pylist(), matrix(items)
    queries = vectors[np.unique(np.linspace(0, len(vectors) - 1, RECALL_QUERIES).astype(int))]
    if settings.vector_postgres:
        name = table_name(attempt)
        there = PgvectorIndex.build(settings.vector_postgres, name, item_ids, vectors)
        return Indexed(POSTGRES, _verified(there, queries, vectors))
    if len(item_ids) > LARGE:
        IvfIndex.build(item_ids, vectors, queries).save(directory)
        return Indexed(IVF, _verified(IvfIndex.open(directory), queries, vectors))
    for numbers in INDEXED[kind]:
        built = HnswIndex.build(item_ids, vectors, numbers)
        if built.recall(queries, vectors) >= MIN_RECALL:
            break
    built.save(directory)
    return Indexed(numbers, _verified(HnswIndex.open(directory), queries, vectors))


def open_index(settings: Settings, release: Release) -> Nearest:
    """Raises UsageError for an index in Postgres without PENCHANT_VECTOR_POSTGRES."""
    if release.manifest.index == IVF:
        return IvfIndex.open(release.path)
    if release.manifest.index != POSTGRES:
        return HnswIndex.open(release.path)
    if settings.vector_postgres is None:
        raise UsageError(
            f"the vectors of release {release.id} are in Postgres",
            "set PENCHANT_VECTOR_POSTGRES to the URL it was published with, or publish again",
        )
    return PgvectorIndex(settings.vector_postgres, table_name(release.attempt))


def table_name(attempt: str) -> str:
    return attempt.replace("-", "_")


def _verified(nearest: Nearest, queries: np.ndarray, vectors: np.ndarray) -> float:
    recall = nearest.recall(queries, vectors)
    if recall < MIN_RECALL:
        raise DataError(
            f"the index has recall@10 {recall:.3f}, less than {MIN_RECALL}; nothing was published",
            "check the norms of the retriever's vectors for a collapse, and train it again",
        )
    return round(recall, 4)
