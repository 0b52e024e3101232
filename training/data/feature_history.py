"""The feature service ``ranking`` as of any moment: point-in-time joins of its marts in memory.

A family that ranks candidates needs the features of a million pairs at several past moments, and of
every known pair at the last one. Feast's historical retrieval takes minutes for that. This is the
same join in NumPy: each entity's latest row at or before the moment that has not expired.
tests/training/test_feature_history.py compares it with Feast. Axes: N rows of a mart, R entities,
C candidates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penchant.artifacts import Snapshot
from penchant.encryption import parquet as pq
from penchant.manifest import read_marts
from penchant.ranking.features import FEATURE_TIME, FeatureColumn
from penchant.ranking.service_columns import (
    CATEGORY_LEVELS,
    ServiceView,
    service_features,
    service_views,
)
from training.data.histories import DAY, Dataset, IntArray

Floats = np.ndarray
MOST_TEXTS = 500
"""Different values of a text feature; a text with more, such as a title, is not read."""


@dataclass(frozen=True)
class Entities:
    """The entity rows of keys: users and items are numbered as in the data set, categories as they
    first appear. ``counts``: by join key. ``categories``: by join key, the category of each item,
    -1 without one."""

    counts: dict[str, int]
    categories: dict[str, IntArray]

    def keys(self, names: Sequence[str], rows: Mapping[str, IntArray]) -> IntArray:
        """One number per row from the rows of each key; -1 where one is unknown."""
        length = max(len(rows[name]) for name in names)
        key_C, known_C = np.zeros(length, np.int64), np.ones(length, np.bool_)
        for name in names:
            key_C = key_C * (self.counts[name] + 1) + rows[name]
            known_C = known_C & (rows[name] >= 0)
        return np.where(known_C, key_C, -1)


@dataclass(frozen=True)
class ViewTable:
    """Each entity's row of one view as of a moment, by key. ``values``: by reference, over the
    rows and one of NaN after them."""

    view: ServiceView
    key_R: IntArray
    values: dict[str, Floats]

    def raw(self, key_C: IntArray) -> dict[str, Floats]:
        """The values of the entities with these keys, NaN for those without a row."""
        at_C = np.searchsorted(self.key_R, key_C)
        found_C = np.append(self.key_R, -1)[at_C] == key_C
        at_C = np.where(found_C, at_C, len(self.key_R))
        return {name: values_R1[at_C] for name, values_R1 in self.values.items()}


@dataclass(frozen=True)
class FeatureTables:
    """The columns of the service as of a moment. ``columns`` have the texts known at fitting."""

    columns: tuple[FeatureColumn, ...]
    tables: tuple[ViewTable, ...]
    entities: Entities
    moment: int

    def raw(self, user_C: IntArray, item_C: IntArray) -> dict[str, Floats]:
        """The input of ``ranking_features`` for pairs of a user's and an item's row."""
        rows = {"user_id": user_C, "item_id": item_C}
        rows |= {name: codes_I[item_C] for name, codes_I in self.entities.categories.items()}
        found: dict[str, Floats] = {}
        for table in self.tables:
            found |= table.raw(self.entities.keys(table.view.keys, rows))
        return found


@dataclass(frozen=True)
class ViewRows:
    """All rows of a view, by key and time. ``texts``: the values of text columns by reference."""

    view: ServiceView
    key_N: IntArray
    time_N: IntArray
    values: dict[str, Floats]
    texts: dict[str, tuple[str, ...]]

    @classmethod
    def read(
        cls, snapshot: Snapshot, view: ServiceView, ids: Mapping[str, pa.Array], entities: Entities
    ) -> "ViewRows":
        names = [*view.keys, view.timestamp, *(column.name for column in view.columns)]
        table = pq.read_table(snapshot.mart(view.name), columns=names)
        rows = {name: _filled(pc.index_in(table[name], ids[name]), -1) for name in view.keys}
        key_N, time_N = (
            entities.keys(view.keys, rows),
            _seconds(table[view.timestamp]).astype(np.int64),
        )
        order_N = np.lexsort((time_N, key_N))
        order_N = order_N[key_N[order_N] >= 0]
        values, texts = {}, {}
        for column in view.columns:
            cells = table[column.name]
            if column.kind == "text":
                encoded = cells.combine_chunks().dictionary_encode()
                texts[column.reference] = tuple(encoded.dictionary.to_pylist())
                values[column.reference] = _filled(encoded.indices, np.nan)[order_N]
            else:
                numbers = (
                    _seconds(cells)
                    if column.kind == "time"
                    else _filled(cells, np.nan).astype(np.float32)
                )
                values[column.reference] = numbers[order_N]
        return cls(view, key_N[order_N], time_N[order_N], values, texts)

    def columns(self, moment: int) -> tuple[FeatureColumn, ...]:
        """The columns that can be read, with the texts that were known at a moment."""
        found = []
        for column in self.view.columns:
            if column.kind == "text":
                codes_N = self.values[column.reference][self.time_N <= moment]
                known = np.unique(codes_N[~np.isnan(codes_N)]).astype(np.int64)
                if not 0 < len(known) <= MOST_TEXTS:
                    continue
                texts = self.texts[column.reference]
                column = replace(column, values=tuple(sorted(texts[code] for code in known)))
            found.append(column)
        return tuple(found)

    def as_of(self, moment: int, columns: Sequence[FeatureColumn]) -> ViewTable:
        """Each entity's latest row at or before a moment that has not expired."""
        known_M = np.flatnonzero(self.time_N <= moment)
        key_M = self.key_N[known_M]
        last_M = np.ones(len(key_M), bool)
        last_M[:-1] = key_M[1:] != key_M[:-1]
        rows_R = known_M[last_M]
        if self.view.ttl_days:
            rows_R = rows_R[self.time_N[rows_R] >= moment - self.view.ttl_days * DAY]
        times_R = self.time_N[rows_R].astype(np.float64)
        values = {f"{self.view.name}__{FEATURE_TIME}": np.append(times_R, np.nan)}
        for column in (each for each in columns if each.view == self.view.name):
            values_R = self.values[column.reference][rows_R]
            if column.kind == "text":
                values_R = _places(values_R, self.texts[column.reference], column.values)
            values[column.reference] = np.append(values_R, np.nan)
        return ViewTable(self.view, self.key_N[rows_R], values)


@dataclass(frozen=True)
class FeatureHistory:
    """All rows of the service's marts. ``service_features``: the names of all its features, also
    of those that can't be read."""

    service_features: tuple[str, ...]
    views: tuple[ViewRows, ...]
    entities: Entities

    @classmethod
    def read(cls, snapshot: Snapshot, dataset: Dataset) -> "FeatureHistory":
        ids = {
            "user_id": pa.array(dataset.user_ids, pa.string()),
            "item_id": pa.array(dataset.item_ids, pa.string()),
        }
        categories = {}
        for name, levels in CATEGORY_LEVELS.items():
            known = [level for level in levels if level in dataset.items.column_names]
            deepest = pc.coalesce(*(dataset.items[level].cast(pa.string()) for level in known))
            encoded = deepest.combine_chunks().dictionary_encode()
            ids[name] = encoded.dictionary
            categories[name] = _filled(encoded.indices, -1).astype(np.int64)
        entities = Entities({name: len(known) for name, known in ids.items()}, categories)
        marts = read_marts(snapshot.manifest)
        views = tuple(ViewRows.read(snapshot, view, ids, entities) for view in service_views(marts))
        return cls(service_features(marts), views, entities)

    def columns(self, moment: int) -> tuple[FeatureColumn, ...]:
        """The features that a model fitted at a moment can read."""
        return tuple(column for view in self.views for column in view.columns(moment))

    def as_of(self, moment: int, columns: Sequence[FeatureColumn]) -> FeatureTables:
        """The features as of a moment."""
        tables = tuple(view.as_of(moment, columns) for view in self.views)
        return FeatureTables(tuple(columns), tables, self.entities, moment)


def _places(codes_R: Floats, texts: Sequence[str], values: Sequence[str]) -> Floats:
    """Places in ``values`` of texts given as codes."""
    place = {value: float(index) for index, value in enumerate(values)}
    place_T = np.array([*(place.get(text, np.nan) for text in texts), np.nan])
    return place_T[np.where(np.isnan(codes_R), len(texts), codes_R).astype(np.int64)]


def _seconds(times: pa.ChunkedArray) -> Floats:
    """Whole seconds since 1970, as Feast keeps them; NaN for null."""
    micros = times.cast(pa.timestamp("us")).cast(pa.int64())
    return np.floor(_filled(micros, np.nan) / 1_000_000)


def _filled(cells: pa.ChunkedArray | pa.Array, null: float) -> Floats:
    """float64, with a value for nulls."""
    numbers = cells.cast(pa.float64()).fill_null(null)
    return np.asarray(numbers.to_numpy(), np.float64)
