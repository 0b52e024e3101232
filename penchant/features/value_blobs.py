"""Columns of features as Feast's serialized ``Value`` messages.

The same bytes as of ``python_values_to_proto_values``, which makes a Python object of every value,
several times faster.
"""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penchant.feast_sdk import (
    Array,
    Bool,
    Bytes,
    FeastType,
    Float32,
    Float64,
    Int32,
    Int64,
    String,
    ValueProto,
    ValueType,
    python_values_to_proto_values,
)

SCALARS: dict[FeastType, str] = {
    Bool: "bool_val",
    Bytes: "bytes_val",
    Float32: "float_val",
    Float64: "double_val",
    Int32: "int32_val",
    Int64: "int64_val",
    String: "string_val",
}
"""Types whose Arrow value is the value of the ``Value`` message, and the message's field."""

FLOATS: dict[FeastType, tuple[str, ValueType]] = {
    Array(Float32): ("<f4", ValueType.FLOAT_LIST),
    Array(Float64): ("<f8", ValueType.DOUBLE_LIST),
}
"""Lists whose message holds the values as they are in memory, and Feast's name of the list."""

BYTES_FOLLOW = 2  # the wire type of messages and text in Protocol Buffers
TEXT = b"\x0a"  # field 1 of ``StringList``, which bytes follow


def blobs(column: pa.Array, dtype: FeastType) -> list[bytes | None]:
    """A feature's values as serialized ``Value`` messages; None for null.

    Scalars repeat often, so each different one is serialized once.
    """
    if isinstance(dtype, Array):
        return _lists(column, dtype)
    encoded = column.dictionary_encode()
    different: list[bytes | None] = [*_serialized(encoded.dictionary, dtype), None]
    return [different[place] for place in encoded.indices.fill_null(-1).to_pylist()]


def _serialized(column: pa.Array, dtype: FeastType) -> list[bytes | None]:
    values = column.to_pylist()
    if field := SCALARS.get(dtype):
        return [
            None if value is None else ValueProto(**{field: value}).SerializeToString()
            for value in values
        ]
    protos = python_values_to_proto_values(values, dtype.to_value_type())
    return [proto.SerializeToString() or None for proto in protos]


def _lists(column: pa.Array, dtype: Array) -> list[bytes | None]:
    values = column.flatten()
    ends = np.cumsum(pc.fill_null(pc.list_value_length(column), 0).to_numpy()).tolist()
    if values.null_count or not (dtype in FLOATS or dtype == Array(String)):
        return _serialized(column, dtype)
    serialized = (
        _float_lists(values, ends, *FLOATS[dtype]) if dtype in FLOATS else _text_lists(values, ends)
    )
    known = column.is_valid().to_pylist()
    return [each if is_known else None for each, is_known in zip(serialized, known, strict=True)]


def _float_lists(values: pa.Array, ends: list[int], layout: str, kind: ValueType) -> list[bytes]:
    """Messages of lists that end at these places, without a Python object per float.

    A message is a header that depends on the list's length, then the floats as they are in memory.
    """
    floats, width = (
        memoryview(values.to_numpy().astype(layout).tobytes()),
        np.dtype(layout).itemsize,
    )
    headers: dict[int, bytes] = {}
    found: list[bytes] = []
    for begin, end in pairwise([0, *ends]):
        count = end - begin
        if count not in headers:
            (whole,) = python_values_to_proto_values([[0.0] * count], kind)
            headers[count] = whole.SerializeToString().removesuffix(bytes(width * count))
        found.append(headers[count] + floats[width * begin : width * end])
    return found


def _text_lists(values: pa.Array, ends: list[int]) -> list[bytes]:
    """Messages of lists that end at these places; each different text is encoded once."""
    texts = values.dictionary_encode()
    parts = [_counted(TEXT, text.encode()) for text in texts.dictionary.to_pylist()]
    part_N = [parts[place] for place in texts.indices.to_pylist()]
    number = ValueProto.DESCRIPTOR.fields_by_name["string_list_val"].number
    tag = _varint(number << 3 | BYTES_FOLLOW)
    return [_counted(tag, b"".join(part_N[begin:end])) for begin, end in pairwise([0, *ends])]


def _counted(tag: bytes, content: bytes) -> bytes:
    """A field of bytes as in a message."""
    return b"%b%b%b" % (tag, _varint(len(content)), content)


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])
