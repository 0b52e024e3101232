"""Rows of numbers, booleans and times as one blob each, written and read as whole columns.

A blob has a bit for each null feature, then all values in a fixed width, little-endian. Integers
keep 64 bits, so a blob holds exactly what Feast's ``Value`` messages hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penchant.feast_sdk import (
    Bool,
    FeastType,
    FeatureView,
    Float32,
    Float64,
    Int32,
    Int64,
    UnixTimestamp,
    ValueProto,
)

FloatArray = npt.NDArray[np.float64]
Rows = npt.NDArray[np.void]
"""Packed rows: a field for each feature, and one of the bits of its nulls."""

PACKED: dict[FeastType, tuple[str, str]] = {
    Bool: ("?", "bool_val"),
    Float32: ("<f4", "float_val"),
    Float64: ("<f8", "double_val"),
    Int32: ("<i4", "int32_val"),
    Int64: ("<i8", "int64_val"),
    UnixTimestamp: ("<i8", "unix_timestamp_val"),
}
"""Types of fixed width, with the field of the ``Value`` message. Times are seconds since 1970."""

FEASTS_NULL_TIME = -(2**63)
"""The second that Feast writes for a null timestamp."""

NULLS = "_nulls"
MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class PackedRows:
    """The layout of a view's rows. ``types``: of its features, in order."""

    names: tuple[str, ...]
    types: tuple[FeastType, ...]

    @classmethod
    def of(cls, view: FeatureView) -> "PackedRows | None":
        """None for a view without features and for one with text or lists."""
        types = tuple(feature.dtype for feature in view.features)
        if not types or not all(each in PACKED for each in types):
            return None
        return _packed_rows(tuple(feature.name for feature in view.features), types)

    @cached_property
    def layout(self) -> np.dtype[np.void]:
        fields = [
            (name, PACKED[kind][0]) for name, kind in zip(self.names, self.types, strict=True)
        ]
        return np.dtype([(NULLS, "u1", ((len(fields) + 7) // 8,)), *fields])

    def blobs(self, table: pa.RecordBatch) -> list[bytes]:
        """The blob of each row of a table with the view's features."""
        rows_N = np.zeros(table.num_rows, self.layout)
        null_NF = np.zeros((table.num_rows, len(self.names)), np.uint8)
        for place, name in enumerate(self.names):
            column = table.column(name)
            null_NF[:, place] = column.is_null().to_numpy(zero_copy_only=False)
            rows_N[name] = _values(column)
        return self._cut(rows_N, null_NF)

    def blobs_of_protos(self, rows: Sequence[dict[str, ValueProto]]) -> list[bytes]:
        """The blob of each row of messages by feature."""
        rows_N = np.zeros(len(rows), self.layout)
        null_NF = np.ones((len(rows), len(self.names)), np.uint8)
        for at, values in enumerate(rows):
            for place, name in enumerate(self.names):
                field = values[name].WhichOneof("val")
                if field is None:
                    continue
                value = getattr(values[name], field)
                if field != "unix_timestamp_val" or value != FEASTS_NULL_TIME:
                    rows_N[name][at], null_NF[at, place] = value, 0
        return self._cut(rows_N, null_NF)

    def rows(self, content: bytes | memoryview) -> Rows:
        """rows_N of blobs one after another, without a copy."""
        return np.frombuffer(content, self.layout)

    def columns(self, rows_N: Rows, names: Sequence[str]) -> dict[str, FloatArray]:
        """The values of features as floats, NaN for null."""
        null_NF = self._nulls(rows_N)
        found = {}
        for name in names:
            values_N = rows_N[name].astype(np.float64)
            values_N[null_NF[:, self._place[name]]] = np.nan
            found[name] = values_N
        return found

    def protos(self, rows_N: Rows, names: Sequence[str]) -> list[list[ValueProto]]:
        """For each row, the messages of the named features."""
        null_NF = self._nulls(rows_N)
        columns = []
        for name in names:
            place = self._place[name]
            field = PACKED[self.types[place]][1]
            columns.append(
                [
                    ValueProto() if null else ValueProto(**{field: value})
                    for value, null in zip(
                        rows_N[name].tolist(), null_NF[:, place].tolist(), strict=True
                    )
                ]
            )
        return [list(row) for row in zip(*columns, strict=True)]

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def _nulls(self, rows_N: Rows) -> npt.NDArray[np.bool_]:
        """null_NF: which features of each row are null."""
        bits_NF = np.unpackbits(rows_N[NULLS], axis=1, count=len(self.names))
        return bits_NF.view(np.bool_)

    def _cut(self, rows_N: npt.NDArray[Any], null_NF: npt.NDArray[np.uint8]) -> list[bytes]:
        rows_N[NULLS] = np.packbits(null_NF, axis=1)
        content, width = rows_N.tobytes(), self.layout.itemsize
        return [content[at : at + width] for at in range(0, len(content), width)]


@lru_cache
def _packed_rows(names: tuple[str, ...], types: tuple[FeastType, ...]) -> PackedRows:
    """One for each layout, so that its parts are made once."""
    return PackedRows(names, types)


def _values(column: pa.Array) -> npt.NDArray[Any]:
    """Values without nulls; times in seconds, rounded down."""
    if pa.types.is_timestamp(column.type):
        micros_N = pc.fill_null(column.cast(pa.timestamp("us")).cast(pa.int64()), 0).to_numpy()
        return np.floor_divide(micros_N, MICROSECONDS)
    empty = False if pa.types.is_boolean(column.type) else 0
    filled: npt.NDArray[Any] = pc.fill_null(column, empty).to_numpy(zero_copy_only=False)
    return filled
