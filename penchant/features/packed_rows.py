"""Rows of numbers, booleans and times as one blob each, written and read as whole columns.

A blob has a bit for each null feature, then all values in a fixed width, little-endian. Integers
keep 64 bits, so a blob holds exactly what Feast's ``Value`` messages hold.
"""

from collections.abc import Mapping, Sequence
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

    def values(self, rows_N: Rows, names: Sequence[str]) -> FloatArray:
        """values_FN of the named features as floats, NaN for null."""
        names = tuple(names)
        if names not in self._decoders:
            self._decoders[names] = Decoder.of(self, names)
        return self._decoders[names].values(rows_N)

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
    def _decoders(self) -> "dict[tuple[str, ...], Decoder]":
        """By features: few, those of services and models."""
        return {}

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


@dataclass(frozen=True)
class Decoder:
    """Decodes some features of packed rows, all of one type at once. ``groups``: a type, the bytes
    of its features in a row, and their places among the features. ``null_F``: their bits."""

    groups: tuple[tuple[np.dtype[Any], npt.NDArray[np.intp], npt.NDArray[np.intp]], ...]
    null_F: npt.NDArray[np.intp]

    @classmethod
    def of(cls, packed: PackedRows, names: Sequence[str]) -> "Decoder":
        fields: Mapping[str, Any] = packed.layout.fields or {}
        by_type: dict[np.dtype[Any], list[int]] = {}
        for place, name in enumerate(names):
            by_type.setdefault(fields[name][0], []).append(place)
        groups = [
            (kind, [fields[names[place]][1] + byte for place in places for byte in range(width)])
            for kind, places in by_type.items()
            for width in [kind.itemsize]
        ]
        return cls(
            tuple((kind, np.array(bytes_of), np.array(by_type[kind])) for kind, bytes_of in groups),
            np.array([packed.names.index(name) for name in names], np.intp),
        )

    def values(self, rows_N: Rows) -> FloatArray:
        """values_FN as floats, NaN for null."""
        bytes_NB = rows_N.view(np.uint8).reshape(len(rows_N), rows_N.dtype.itemsize)
        values_FN = np.empty((len(self.null_F), len(rows_N)))
        for kind, bytes_of, places in self.groups:
            values_FN[places] = bytes_NB.take(bytes_of, axis=1).view(kind).T
        null_NF = np.unpackbits(rows_N[NULLS], axis=1).take(self.null_F, axis=1)
        values_FN[null_NF.T.view(np.bool_)] = np.nan
        return values_FN


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
