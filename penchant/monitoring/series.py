"""Quantities by day: a distribution over bins, a share of rows, or a number of rows.

Day 0 is what is watched, the others are the reference (see ``days.py``). Suffix D is days, B bins,
N rows.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penchant.artifacts.monitoring import Group

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MOST_CATEGORIES = 20  # the others are one
QUANTILES = 50
OTHER = "other"


@dataclass(frozen=True)
class Distribution:
    """``counts_DB``: rows by day and bin. ``measure``: psi of categories, ks of ordered bins."""

    name: str
    group: Group
    measure: Literal["psi", "ks"]
    counts_DB: Ints
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Share:
    """Rows with a property, ``hits_D``, of ``rows_D``."""

    name: str
    group: Group
    hits_D: Ints
    rows_D: Ints


@dataclass(frozen=True)
class Volume:
    """``rows_D``: rows of a day; those of day 0 are the mean of the watched days."""

    name: str
    group: Group
    rows_D: Ints


Series = Distribution | Share | Volume


def categories(
    name: str, group: Group, days: int, day_N: Ints, text_N: pa.ChunkedArray
) -> Distribution:
    """Of texts; nulls are left out, and counted by ``share``."""
    known_N = pc.is_valid(text_N)
    day_N = day_N[np.asarray(known_N)]
    labels, code_N = encoded(text_N.filter(known_N))
    counts = np.bincount(code_N, minlength=len(labels))
    most = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    place = np.full(len(labels), len(most))
    place[most] = np.arange(len(most))
    counts_DB = _counts(days, day_N, place[code_N], len(most) + 1)
    return Distribution(name, group, "psi", counts_DB, (*(labels[each] for each in most), OTHER))


def encoded(text_N: pa.ChunkedArray) -> tuple[list[str], Ints]:
    """The distinct texts, and the place of each row's; none is null."""
    coded = text_N.combine_chunks().dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64)


def numbers(name: str, group: Group, days: int, day_N: Ints, value_N: Floats) -> Distribution:
    """Of finite numbers, in bins that end at quantiles of the reference; NaN is left out."""
    known_N = np.isfinite(value_N)
    day_N, value_N = day_N[known_N], value_N[known_N]
    reference = value_N[day_N > 0]
    steps = np.linspace(0, 1, QUANTILES + 1)[1:-1]
    edges = np.unique(np.quantile(reference, steps)) if len(reference) else np.zeros(0)
    place_N = np.searchsorted(edges, value_N)
    labels = tuple(f"to {edge:.4g}" for edge in edges)
    above = f"above {edges[-1]:.4g}" if len(edges) else "all"
    counts_DB = _counts(days, day_N, place_N, len(edges) + 1)
    return Distribution(name, group, "ks", counts_DB, (*labels, above))


def share(name: str, group: Group, days: int, day_N: Ints, hit_N: npt.NDArray[np.bool_]) -> Share:
    """Of rows with a property."""
    rows_D = np.bincount(day_N, minlength=days)
    return Share(name, group, np.bincount(day_N[hit_N], minlength=days), rows_D)


def _counts(days: int, day_N: Ints, place_N: Ints, bins: int) -> Ints:
    flat = np.bincount(day_N * bins + place_N, minlength=days * bins)
    return flat.reshape(days, bins)
