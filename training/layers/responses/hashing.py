"""Rows of a training set as sparse vectors, by feature hashing.

Each value of a column, and each pair of values of two columns that are crossed, is given a place
among D by a hash, and a sign by one more bit of it, so that what falls into one place cancels out
on average (Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask Learning", sections
2 and 3). So a new feature of the marts, or a value that was never seen, needs no dictionary.
"""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
import torch

from penchant.errors import DataError
from training.data.histories import IntArray

Hashes = npt.NDArray[np.uint64]
Doubles = npt.NDArray[np.float64]

NUMBER, CATEGORY = "number", "category"
NOTHING, WHATEVER, NO_BIN = "nothing", "whatever", "no bin"
"""What is hashed with a column's name for a missing value, for a number, and for no bin."""


@dataclass(frozen=True)
class HashingConfig:
    """``buckets``: D, a power of 2. ``bins``: of a number, by its quantiles; where there are more
    than one, a number's bin is a category beside its value, and what is crossed. ``across``:
    columns that are crossed with every other one. ``pairs``: others that are crossed.
    ``cross_scale``: of a cross's entry; below 1, the penalty weighs more on it.
    """

    buckets: int = 4096
    bins: int = 1
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
        numbers = [_logarithms(table[name]) for name, kind in columns if kind == NUMBER]
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
        plain = {name: self._plain(table, name) for name, _ in self.columns}
        binned = self._binned(table)
        crossed = plain | binned
        crosses = [
            crossed[one].times(crossed[other], self.config.cross_scale)
            for one, other in self._crosses()
        ]
        return _stacked([*plain.values(), *binned.values(), *crosses], self.config.buckets)

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

    @property
    def _numbers(self) -> list[str]:
        return [name for name, kind in self.columns if kind == NUMBER]

    def _plain(self, table: pa.Table, name: str) -> "_Entries":
        """A category as 1 in its place; a number as its value, or as 1 in the place of nothing."""
        if name not in self._numbers:
            return _Entries(_category_hashes(name, table[name]), np.ones(len(table)))
        at = self._numbers.index(name)
        value_N = (_logarithms(table[name]) - self.mean_F[at]) / self.scale_F[at]
        known_N = np.isfinite(value_N)
        hash_N = np.where(known_N, _hash(name, WHATEVER), _hash(name, NOTHING))
        return _Entries(hash_N, np.where(known_N, value_N, 1.0))

    def _binned(self, table: pa.Table) -> "dict[str, _Entries]":
        if self.config.bins == 1:
            return {}
        found = {}
        for name, edges_Q in zip(self._numbers, self.edges_FQ, strict=True):
            value_N = _logarithms(table[name])
            bin_N = np.searchsorted(edges_Q, value_N, side="right")
            bin_N[~np.isfinite(value_N)] = self.config.bins
            names = [*(f"bin {index}" for index in range(self.config.bins)), NO_BIN]
            hash_N = np.array([_hash(name, each) for each in names])[bin_N]
            found[name] = _Entries(hash_N, np.ones(len(table)))
        return found

    def _crosses(self) -> list[tuple[str, str]]:
        """Pairs of columns; a pair that names a column which isn't there is left out."""
        names = [name for name, _ in self.columns]
        across = [name for name in self.config.across if name in names]
        each = [(one, other) for one in across for other in names if other not in across]
        return each + [pair for pair in self.config.pairs if set(pair) <= set(names)]


@dataclass(frozen=True)
class _Entries:
    """One entry in each row: what it is of, and its value."""

    hash_N: Hashes
    value_N: Doubles

    def times(self, other: "_Entries", scale: float) -> "_Entries":
        """The cross of two."""
        return _Entries(_crossed(self.hash_N, other.hash_N), scale * self.value_N * other.value_N)


def _stacked(entries: list[_Entries], buckets: int) -> sp.csr_matrix:
    """The matrix of one column of entries after the other: place and sign are the hash's."""
    hashes = np.stack([entry.hash_N for entry in entries], axis=1).ravel()
    values = np.stack([entry.value_N for entry in entries], axis=1).ravel()
    places = (hashes & np.uint64(buckets - 1)).astype(np.int32)
    values = np.where(hashes >> np.uint64(63), -values, values)
    rows = len(entries[0].value_N)
    starts = np.arange(rows + 1, dtype=np.int64) * len(entries)
    matrix = sp.csr_matrix((values, places, starts), (rows, buckets))
    matrix.sum_duplicates()
    return matrix


def _kind(kind: pa.DataType) -> str | None:
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return NUMBER
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind):
        return CATEGORY
    return None


def _logarithms(column: pa.ChunkedArray) -> Doubles:
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
