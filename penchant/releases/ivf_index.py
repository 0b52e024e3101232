"""Nearest items of a large catalogue: vectors in cells, of which a search looks into a few.

An inverted file (Jégou et al. 2011, "Product quantization for nearest neighbor search", section 4)
with whole vectors. A graph (HNSW, see nearest.py) answers as fast, but grows one item after the
other: 17 s for 100,000 items, where cells take one, as they are made by a few large products of
matrices. Files are mapped into memory, not loaded.

In names: I items, D dimensions, C cells, Q queries.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from penchant.releases.hnsw_index import (
    IDS_FILE,
    RECALL_AT,
    exact_last,
    share_found,
    unit,
    write_ids,
)
from penchant.vectors import FloatArray

FOLDER, PROBES = "items.cells", "probes.json"
LEARNED_FROM = 40  # vectors a cell: more make no better centres
ROUNDS = 6  # of k-means; the last ones move hardly a vector
AT_ONCE = 4096  # vectors compared with all centres at a time
FEWEST = 8  # cells that a search looks into
GOOD = 0.995  # of the nearest ten: more than is promised, as it is judged on few queries
SEED = 0

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class IvfIndex:
    """``vectors_ID``: at length 1, cell by cell; ``positions_I``: where each was in the order of
    ``item_ids``; cell c begins at ``starts_C[c]``. ``probes``: how many cells a search looks into,
    those whose centres are nearest."""

    item_ids: list[str]
    centres_CD: FloatArray
    starts_C: Positions
    positions_I: Positions
    vectors_ID: FloatArray
    probes: int

    @classmethod
    def build(
        cls, item_ids: list[str], vectors_ID: FloatArray, queries_QD: FloatArray
    ) -> "IvfIndex":
        """Of float32 vectors, one row an item; the same give the same. A search will look into the
        fewest cells, in powers of two, that find ``GOOD`` of the exact nearest ten of the queries;
        at the worst into all, which is exact."""
        directions_ID = unit(vectors_ID)
        centres_CD = _centres(directions_ID, min(len(vectors_ID), int(2 * len(vectors_ID) ** 0.5)))
        cells_I = _cells(directions_ID, centres_CD)
        positions_I = np.argsort(cells_I, kind="stable")
        held_C = np.bincount(cells_I, minlength=len(centres_CD))
        starts_C = np.concatenate([[0], np.cumsum(held_C)])
        ordered_ID = directions_ID[positions_I]
        cells = cls(item_ids, centres_CD, starts_C, positions_I, ordered_ID, FEWEST)
        return cells._looking_far_enough(queries_QD, vectors_ID)

    def _looking_far_enough(self, queries_QD: FloatArray, vectors_ID: FloatArray) -> "IvfIndex":
        k = min(RECALL_AT, len(vectors_ID))
        last_Q = exact_last(queries_QD, vectors_ID, k)
        cells = self
        while True:
            cosines_QK = np.stack([cells._nearest(query, k)[1] for query in queries_QD])
            enough = np.mean(cosines_QK >= last_Q[:, None] - 1e-6) >= GOOD
            if enough or cells.probes >= len(self.centres_CD):
                return cells
            cells = replace(cells, probes=2 * cells.probes)

    @classmethod
    def open(cls, directory: Path) -> "IvfIndex":
        folder = directory / FOLDER
        arrays: dict[str, Any] = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS
        }
        ids = pq.read_table(directory / IDS_FILE, columns=["item_id"])["item_id"].to_pylist()
        return cls(ids, probes=json.loads((folder / PROBES).read_text()), **arrays)

    def save(self, directory: Path) -> None:
        folder = directory / FOLDER
        folder.mkdir()
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))
        (folder / PROBES).write_text(json.dumps(self.probes))
        write_ids(directory, self.item_ids)

    def search(self, vector: np.ndarray, k: int) -> list[tuple[str, float]]:
        """The ``k`` nearest items and their cosine to ``vector``, nearest first."""
        rows, cosines = self._nearest(vector, k)
        ids = [self.item_ids[row] for row in rows.tolist()]
        return list(zip(ids, cosines.tolist(), strict=True))

    def rows(self, vector: np.ndarray, k: int) -> Positions:
        """Where the ``k`` nearest items are in the order of ``item_ids``, nearest first; int64."""
        return self._nearest(vector, k)[0]

    def recall(self, queries_QD: FloatArray, vectors_ID: FloatArray) -> float:
        """See ``share_found``; ``vectors_ID`` are those that were indexed."""
        k = min(RECALL_AT, len(vectors_ID))
        found_QK = np.stack([self.rows(query, k) for query in queries_QD])
        return share_found(found_QK, queries_QD, vectors_ID)

    def _nearest(self, vector: np.ndarray, k: int) -> tuple[Positions, FloatArray]:
        """Positions and cosines of the ``k`` nearest in the cells that are looked into, of more
        cells where those have fewer than ``k``."""
        direction = np.asarray(vector, np.float32) / np.linalg.norm(vector)
        nearness_C = self.centres_CD @ direction
        probes = min(self.probes, len(nearness_C))
        while True:
            cells = np.argpartition(-nearness_C, probes - 1)[:probes]
            held = int((self.starts_C[cells + 1] - self.starts_C[cells]).sum())
            if held >= k or probes == len(nearness_C):
                break
            probes = min(2 * probes, len(nearness_C))
        places, cosines = np.empty(held, np.int64), np.empty(held, np.float32)
        end = 0
        for cell in cells.tolist():
            first, last = self.starts_C[cell], self.starts_C[cell + 1]
            begin, end = end, end + int(last - first)
            np.dot(self.vectors_ID[first:last], direction, out=cosines[begin:end])
            places[begin:end] = np.arange(first, last)
        best = np.argpartition(-cosines, min(k, held) - 1)[:k]
        best = best[np.argsort(-cosines[best], kind="stable")]
        return np.asarray(self.positions_I[places[best]]), cosines[best]


_ARRAYS = ("centres_CD", "starts_C", "positions_I", "vectors_ID")


def _centres(vectors_ID: FloatArray, count: int) -> FloatArray:
    """Spherical k-means (Dhillon and Modha 2001) of a sample; an empty cell gets a vector anew."""
    random = np.random.default_rng(SEED)
    sample = min(len(vectors_ID), LEARNED_FROM * count)
    learned_ND = vectors_ID[np.sort(random.choice(len(vectors_ID), sample, replace=False))]
    centres_CD = learned_ND[random.choice(sample, count, replace=False)]
    for _ in range(ROUNDS):
        cells_N = _cells(learned_ND, centres_CD)
        order_N = np.argsort(cells_N, kind="stable")
        held_C = np.bincount(cells_N, minlength=count)
        full = held_C > 0
        begins = (np.cumsum(held_C) - held_C)[full]
        centres_CD = learned_ND[random.choice(sample, count, replace=False)]
        centres_CD[full] = unit(np.add.reduceat(learned_ND[order_N], begins, axis=0))
    return centres_CD


def _cells(vectors_ND: FloatArray, centres_CD: FloatArray) -> Positions:
    """The cell of each vector: the one with the nearest centre."""
    parts = [
        np.argmax(vectors_ND[first : first + AT_ONCE] @ centres_CD.T, axis=1)
        for first in range(0, len(vectors_ND), AT_ONCE)
    ]
    return np.concatenate(parts).astype(np.int64)
