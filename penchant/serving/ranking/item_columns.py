"""Item features of a release in memory, read from the online store when first needed.

A release reads the features of its own snapshot, whose repository never changes, so what was read
stays equal to the online store until another release is live.
"""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from penchant.encoders.ids import Ids
from penchant.features.batched_reads import Column, ViewReader
from penchant.ranking.features import FeatureColumn, FloatArray
from penchant.releases.item_arrays import IntArray


class ItemColumns:
    """The columns of one view of items. Safe to share between threads.

    ``columns``: as ``ranking_features`` gets them: texts are numbers already.
    """

    def __init__(
        self, reader: ViewReader, columns: Sequence[FeatureColumn], ids: Ids, as_of: datetime
    ) -> None:
        self._reader, self._read, self._ids, self._as_of = reader, tuple(columns), ids, as_of
        self.columns = tuple(
            replace(column, kind="number", values=()) if column.kind == "text" else column
            for column in columns
        )
        self._codes = {
            column.name: {value: float(code) for code, value in enumerate(column.values)}
            for column in columns
            if column.kind == "text"
        }
        self._lock = threading.Lock()
        self._was_read_I = np.zeros(len(ids), bool)
        self._time_I = np.zeros(len(ids))
        self._values_I = {column.name: np.zeros(len(ids)) for column in columns}

    def of(self, items_C: IntArray) -> tuple[dict[str, FloatArray], FloatArray]:
        """The values by column name, and the times of the rows, NaN without a row."""
        new_C = items_C[~self._was_read_I[items_C]]
        if len(new_C):
            self._fill(new_C)
        return {name: values_I[items_C] for name, values_I in self._values_I.items()}, (
            self._time_I[items_C]
        )

    def _fill(self, items_N: IntArray) -> None:
        names = [column.name for column in self._read]
        ids = {self._reader.keys[0]: self._ids.names(items_N)}
        rows = self._reader.read(ids, names, self._as_of)
        with self._lock:
            self._time_I[items_N] = rows.times_N
            for name in names:
                self._values_I[name][items_N] = self._coded(name, rows.columns[name])
            self._was_read_I[items_N] = True

    def _coded(self, name: str, values_N: Column) -> FloatArray:
        codes = self._codes.get(name)
        if codes is None:
            return values_N.astype(np.float64)
        return np.array([codes.get(value, np.nan) for value in values_N.tolist()])
