"""IVF index: nearest items of a large catalogue by inverted lists, of which a search scans a few.

An inverted file (Jégou et al. 2011, "Product quantization for nearest neighbor search", section 4)
with full vectors. HNSW (hnsw_index.py) searches as fast, but is built item by item: 17 s for
100,000 items, where this takes 1 s in a few large matrix products. Files are mapped into memory.

Shape suffixes: I items, D dimensions, L lists, Q queries.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from penchant.encryption import parquet as pq
from penchant.releases.hnsw_index import (
    IDS_FILE,
    RECALL_AT,
    exact_last,
    share_found,
    unit,
    write_ids,
)
from penchant.vectors import FloatArray, load_array

FOLDER, NPROBE = "items.ivf", "nprobe.json"
TRAINING_VECTORS = 40  # per list: more make no better centroids
ITERATIONS = 6  # of k-means; later ones move few vectors
BATCH = 4096  # vectors compared with all centroids at a time
MIN_NPROBE = 8  # inverted lists that a search scans
TARGET_RECALL = 0.995  # at 10: above the required recall, since it is estimated on few queries
SEED = 0

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class IvfIndex:
    """``vectors_ID``: normalized, list by list; ``positions_I``: of each in the order of
    ``item_ids``; list l begins at ``starts_L[l]``. ``nprobe``: how many inverted lists a search
    scans, those with the nearest centroids."""

    item_ids: list[str]
    centroids_LD: FloatArray
    starts_L: Positions
    positions_I: Positions
    vectors_ID: FloatArray
    nprobe: int

    @classmethod
    def build(
        cls, item_ids: list[str], vectors_ID: FloatArray, queries_QD: FloatArray
    ) -> "IvfIndex":
        """Index float32 vectors, a row per item; deterministic. ``nprobe`` is the least power of
        two that finds ``TARGET_RECALL`` of the exact nearest ten of the queries; at most all lists,
        which is exact."""
        directions_ID = unit(vectors_ID)
        centroids_LD = _centroids(
            directions_ID, min(len(vectors_ID), int(2 * len(vectors_ID) ** 0.5))
        )
        list_I = _nearest_list(directions_ID, centroids_LD)
        positions_I = np.argsort(list_I, kind="stable")
        held_L = np.bincount(list_I, minlength=len(centroids_LD))
        starts_L = np.concatenate([[0], np.cumsum(held_L)])
        ordered_ID = directions_ID[positions_I]
        index = cls(item_ids, centroids_LD, starts_L, positions_I, ordered_ID, MIN_NPROBE)
        return index._with_enough_probes(queries_QD, vectors_ID)

    def _with_enough_probes(self, queries_QD: FloatArray, vectors_ID: FloatArray) -> "IvfIndex":
        k = min(RECALL_AT, len(vectors_ID))
        last_Q = exact_last(queries_QD, vectors_ID, k)
        index = self
        while True:
            cosines_QK = np.stack([index._nearest(query, k)[1] for query in queries_QD])
            enough = np.mean(cosines_QK >= last_Q[:, None] - 1e-6) >= TARGET_RECALL
            if enough or index.nprobe >= len(self.centroids_LD):
                return index
            index = replace(index, nprobe=2 * index.nprobe)

    @classmethod
    def open(cls, directory: Path) -> "IvfIndex":
        folder = directory / FOLDER
        arrays: dict[str, Any] = {name: load_array(folder / f"{name}.npy") for name in _ARRAYS}
        ids = pq.read_table(directory / IDS_FILE, columns=["item_id"])["item_id"].to_pylist()
        return cls(ids, nprobe=json.loads((folder / NPROBE).read_text()), **arrays)

    def save(self, directory: Path) -> None:
        folder = directory / FOLDER
        folder.mkdir()
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))
        (folder / NPROBE).write_text(json.dumps(self.nprobe))
        write_ids(directory, self.item_ids)

    def search(self, vector: np.ndarray, k: int) -> list[tuple[str, float]]:
        """The ``k`` nearest items and their cosine to ``vector``, nearest first."""
        rows, cosines = self._nearest(vector, k)
        ids = [self.item_ids[row] for row in rows.tolist()]
        return list(zip(ids, cosines.tolist(), strict=True))

    def rows(self, vector: np.ndarray, k: int) -> Positions:
        """Positions of the ``k`` nearest in the order of ``item_ids``, nearest first; int64."""
        return self._nearest(vector, k)[0]

    def recall(self, queries_QD: FloatArray, vectors_ID: FloatArray) -> float:
        """See ``share_found``; ``vectors_ID`` are those that were indexed."""
        k = min(RECALL_AT, len(vectors_ID))
        found_QK = np.stack([self.rows(query, k) for query in queries_QD])
        return share_found(found_QK, queries_QD, vectors_ID)

    def _nearest(self, vector: np.ndarray, k: int) -> tuple[Positions, FloatArray]:
        """Positions and cosines of the ``k`` nearest in the scanned lists; scans more lists where
        those have fewer than ``k`` items."""
        direction = np.asarray(vector, np.float32) / np.linalg.norm(vector)
        cosine_L = self.centroids_LD @ direction
        nprobe = min(self.nprobe, len(cosine_L))
        while True:
            lists = np.argpartition(-cosine_L, nprobe - 1)[:nprobe]
            held = int((self.starts_L[lists + 1] - self.starts_L[lists]).sum())
            if held >= k or nprobe == len(cosine_L):
                break
            nprobe = min(2 * nprobe, len(cosine_L))
        places, cosines = np.empty(held, np.int64), np.empty(held, np.float32)
        end = 0
        for each in lists.tolist():
            first, last = self.starts_L[each], self.starts_L[each + 1]
            begin, end = end, end + int(last - first)
            np.dot(self.vectors_ID[first:last], direction, out=cosines[begin:end])
            places[begin:end] = np.arange(first, last)
        best = np.argpartition(-cosines, min(k, held) - 1)[:k]
        best = best[np.argsort(-cosines[best], kind="stable")]
        return np.asarray(self.positions_I[places[best]]), cosines[best]


_ARRAYS = ("centroids_LD", "starts_L", "positions_I", "vectors_ID")


def _centroids(vectors_ID: FloatArray, count: int) -> FloatArray:
    """Spherical k-means (Dhillon and Modha 2001) of a sample; an empty list gets a new vector."""
    random = np.random.default_rng(SEED)
    sample = min(len(vectors_ID), TRAINING_VECTORS * count)
    sample_ND = vectors_ID[np.sort(random.choice(len(vectors_ID), sample, replace=False))]
    centroids_LD = sample_ND[random.choice(sample, count, replace=False)]
    for _ in range(ITERATIONS):
        list_N = _nearest_list(sample_ND, centroids_LD)
        order_N = np.argsort(list_N, kind="stable")
        held_L = np.bincount(list_N, minlength=count)
        full = held_L > 0
        begins = (np.cumsum(held_L) - held_L)[full]
        centroids_LD = sample_ND[random.choice(sample, count, replace=False)]
        centroids_LD[full] = unit(np.add.reduceat(sample_ND[order_N], begins, axis=0))
    return centroids_LD


def _nearest_list(vectors_ND: FloatArray, centroids_LD: FloatArray) -> Positions:
    """The inverted list of each vector: that with the nearest centroid."""
    parts = [
        np.argmax(vectors_ND[first : first + BATCH] @ centroids_LD.T, axis=1)
        for first in range(0, len(vectors_ND), BATCH)
    ]
    return np.concatenate(parts).astype(np.int64)
