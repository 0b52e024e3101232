"""Rows of a training set as sparse vectors, by feature hashing.

Each value of a column, and each pair of values of two columns that are crossed, is given a place
among D by a hash, and a sign by one more bit of it, so that what falls into one place cancels out
on average (Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask Learning", sections
2 and 3). So a new feature of the marts, or a value that was never seen, needs no dictionary.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
import torch

from penchant.errors import DataError
from training.data import IntArray

Hashes = npt.NDArray[np.uint64]
Doubles = npt.NDArray[np.float64]

NUMBER, CATEGORY = "number", "category"
NOTHING, WHATEVER = "nothing", "whatever"
"""Categories of a missing value, and of a number where it is."""


@dataclass(frozen=True)
class HashingConfig:
    """``buckets``: D, a power of 2. ``bins``: of a number, by its quantiles; its bin is a category
    beside its value. ``across``: columns that are crossed with every other one. ``pairs``: others
    that are crossed. ``cross_scale``: of a cross's entry; below 1, the penalty weighs more on it.
    """

    buckets: int = 4096
    bins: int = 8
    across: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    cross_scale: float = 1.0


@dataclass(frozen=True)
class HashedDesign:
    """How a table becomes a matrix: learned from one table, true for all that have its columns.

    Numbers are taken as sign(x) log(1 + |x|), then standardised; F of them. ``edges_FQ``: between
    the bins.
    """

    config: HashingConfig
    columns: tuple[tuple[str, str], ...]
    mean_F: Doubles
    scale_F: Doubles
    edges_FQ: Doubles

    @classmethod
    def of(cls, table: pa.Table, left_out: frozenset[str], config: HashingConfig) -> "HashedDesign":
        """Learn from a table. Columns of other kinds than text, yes or no, and number are left out.

        Raises DataError when no column is left.
        """
        columns = tuple(
            (field.name, kind)
            for field in table.schema
            if field.name not in left_out and (kind := _kind(field.type))
        )
        if not columns:
            raise DataError(
                "the training set has no feature", "give a feature mart the service `response`"
            )
        numbers = [_numbers(table[name]) for name, kind in columns if kind == NUMBER]
        edges = [_edges(values_N, config.bins) for values_N in numbers]
        known = [values_N[np.isfinite(values_N)] for values_N in numbers]
        return cls(
            config,
            columns,
            np.array([values.mean() if len(values) else 0.0 for values in known]),
            np.array([values.std() or 1.0 if len(values) else 1.0 for values in known]),
            np.array(edges).reshape(len(edges), config.bins - 1),
        )

    def matrix(self, table: pa.Table) -> sp.csr_matrix:
        """matrix_ND. Raises DataError when a column isn't there."""
        missing = [name for name, _ in self.columns if name not in table.column_names]
        if missing:
            raise DataError(
                f"the rows lack {', '.join(missing)}, which the model was fitted with",
                "ask with a training set of the same snapshot, or fit the family again",
            )
        hashes = self._hashes(table)
        entries = [
            _Entries(self.config.buckets, hash_N, np.ones(len(table))) for hash_N in hashes.values()
        ]
        entries += self._values(table)
        scale_N = np.full(len(table), self.config.cross_scale)
        entries += [
            _Entries(self.config.buckets, _crossed(hashes[one], hashes[other]), scale_N)
            for one, other in self._crosses()
        ]
        return _stacked(entries, self.config.buckets)

    def state(self, prefix: str) -> dict[str, torch.Tensor]:
        """As tensors under names that begin with ``prefix``."""
        names = json.dumps(self.columns).encode()
        return {
            f"{prefix}.columns": torch.frombuffer(bytearray(names), dtype=torch.uint8),
            f"{prefix}.mean_F": torch.from_numpy(self.mean_F),
            f"{prefix}.scale_F": torch.from_numpy(self.scale_F),
            f"{prefix}.edges_FQ": torch.from_numpy(self.edges_FQ),
        }

    @classmethod
    def from_state(
        cls, state: dict[str, torch.Tensor], prefix: str, config: HashingConfig
    ) -> "HashedDesign":
        columns = json.loads(state[f"{prefix}.columns"].numpy().tobytes())
        arrays = [state[f"{prefix}.{name}"].numpy() for name in ("mean_F", "scale_F", "edges_FQ")]
        return cls(config, tuple((name, kind) for name, kind in columns), *arrays)

    def _hashes(self, table: pa.Table) -> dict[str, Hashes]:
        """Each column's category, as a hash of its name and its value."""
        found, number = {}, 0
        for name, kind in self.columns:
            if kind == CATEGORY:
                found[name] = _category_hashes(name, table[name])
                continue
            values_N = _numbers(table[name])
            bins_N = np.searchsorted(self.edges_FQ[number], values_N, side="right")
            bins_N[~np.isfinite(values_N)] = self.config.bins
            names = [f"bin {index}" for index in range(self.config.bins)]
            found[name] = np.array([_hash(name, each) for each in (*names, NOTHING)])[bins_N]
            number += 1
        return found

    def _values(self, table: pa.Table) -> list["_Entries"]:
        numbers = [name for name, kind in self.columns if kind == NUMBER]
        entries = []
        for name, mean, scale in zip(numbers, self.mean_F, self.scale_F, strict=True):
            value_N = np.nan_to_num((_numbers(table[name]) - mean) / scale)
            entries.append(_Entries(self.config.buckets, _hash(name, WHATEVER), value_N))
        return entries

    def _crosses(self) -> list[tuple[str, str]]:
        names = [name for name, _ in self.columns]
        across = [name for name in self.config.across if name in names]
        each = [(one, other) for one in across for other in names if other not in across]
        return each + [pair for pair in self.config.pairs if set(pair) <= set(names)]


class _Entries:
    """One entry in each row: its place, and its value with the hash's sign."""

    def __init__(self, buckets: int, hash_N: Any, value_N: Doubles) -> None:
        hash_N = np.broadcast_to(hash_N, value_N.shape)
        self.place_N = (hash_N & np.uint64(buckets - 1)).astype(np.int32)
        self.value_N = np.where(hash_N >> np.uint64(63), -value_N, value_N)


def _stacked(entries: list[_Entries], buckets: int) -> sp.csr_matrix:
    rows, width = len(entries[0].value_N), len(entries)
    values = np.stack([entry.value_N for entry in entries], axis=1).ravel()
    places = np.stack([entry.place_N for entry in entries], axis=1).ravel()
    starts = np.arange(rows + 1, dtype=np.int64) * width
    matrix = sp.csr_matrix((values, places, starts), (rows, buckets))
    matrix.sum_duplicates()
    return matrix


def _kind(kind: pa.DataType) -> str | None:
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return NUMBER
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind):
        return CATEGORY
    return None


def _numbers(column: pa.ChunkedArray) -> Doubles:
    """sign(x) log(1 + |x|); NaN where there is none."""
    values = column.cast(pa.float64()).to_numpy()
    return np.sign(values) * np.log1p(np.abs(values))


def _edges(values_N: Doubles, bins: int) -> Doubles:
    known = values_N[np.isfinite(values_N)]
    shares = np.arange(1, bins) / bins
    return np.quantile(known, shares) if len(known) else np.zeros(bins - 1)


def _category_hashes(name: str, column: pa.ChunkedArray) -> Hashes:
    encoded = pc.dictionary_encode(column.cast(pa.string()).combine_chunks(), null_encoding="mask")
    known = [_hash(name, value) for value in encoded.dictionary.to_pylist()]
    rows: IntArray = pc.fill_null(encoded.indices, len(known)).to_numpy().astype(np.int64)
    return np.array([*known, _hash(name, NOTHING)])[rows]


def _hash(name: str, value: str) -> np.uint64:
    """The same on every machine and in every process."""
    digest = hashlib.blake2b(f"{name}\0{value}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def _crossed(one_N: Hashes, other_N: Hashes) -> Hashes:
    """A hash of two, mixed as by SplitMix64 (Steele et al. 2014): the order of the two matters."""
    mixed_N = one_N * np.uint64(0x9E3779B97F4A7C15) + other_N
    mixed_N = (mixed_N ^ (mixed_N >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed_N = (mixed_N ^ (mixed_N >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed_N ^ (mixed_N >> np.uint64(31))
