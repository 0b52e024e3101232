"""Sorted ids in a memory-mapped array: opening millions of them takes no time."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from penchant.vectors import load_array


@dataclass(frozen=True)
class Ids:
    """``ids_N``: UTF-8, ascending, distinct."""

    ids_N: npt.NDArray[np.bytes_]

    @classmethod
    def open(cls, path: Path) -> "Ids":
        return cls(load_array(path))

    def __len__(self) -> int:
        return len(self.ids_N)

    def row(self, wanted: str) -> int:
        """The row of an id; -1 for an unknown one. For a few ids faster than ``rows``."""
        encoded = wanted.encode()
        row = bisect_left(self.ids_N, encoded)
        return row if row < len(self.ids_N) and self.ids_N[row] == encoded else -1

    def rows(self, wanted: Sequence[str]) -> npt.NDArray[np.int64]:
        """The row of each id; -1 for an unknown one."""
        if not len(self.ids_N):
            return np.full(len(wanted), -1)
        encoded, width = [each.encode() for each in wanted], self.ids_N.dtype.itemsize
        # cut to the ids' width: searchsorted would otherwise copy all of them to a wider type
        looked_N = np.array([each[:width] for each in encoded], self.ids_N.dtype)
        rows_N = np.minimum(np.searchsorted(self.ids_N, looked_N), len(self.ids_N) - 1)
        fits_N = np.array([len(each) <= width for each in encoded], bool)
        same_N = fits_N & (self.ids_N[rows_N] == looked_N)
        return np.where(same_N, rows_N, -1).astype(np.int64)

    def names(self, rows_N: npt.NDArray[np.integer[Any]]) -> tuple[str, ...]:
        """The ids of rows."""
        return tuple(each.decode() for each in self.ids_N[rows_N].tolist())
