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

BYTES_FOLLOW = 2  # the wire type of messages and text in Protocol Buffers
TEXT = b"\x0a"  # field 1 of ``StringList``, which bytes follow


def blobs(column: pa.Array, dtype: FeastType) -> list[bytes | None]:
    """A feature's values as serialized ``Value`` messages; None for null.

    Scalars repeat often, so each different one is serialized once.
    """
    if isinstance(dtype, Array):
        if dtype == Array(Float32) and not column.null_count:
            return _float_lists(column)
        if dtype == Array(String) and not column.flatten().null_count:
            return _text_lists(column)
        return _serialized(column, dtype)
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


def _float_lists(column: pa.Array) -> list[bytes | None]:
    """``blobs`` of lists of floats, without a Python object per float.

    A message is a header that depends on the list's length, then the floats as they are in memory.
    """
    floats = memoryview(column.flatten().to_numpy().astype("<f4").tobytes())
    ends = np.cumsum(pc.list_value_length(column).to_numpy()).tolist()
    headers: dict[int, bytes] = {}
    found: list[bytes | None] = []
    for begin, end in zip([0, *ends], ends, strict=False):
        count = end - begin
        if count not in headers:
            (whole,) = python_values_to_proto_values([[0.0] * count], ValueType.FLOAT_LIST)
            headers[count] = whole.SerializeToString().removesuffix(bytes(4 * count))
        found.append(headers[count] + floats[4 * begin : 4 * end] or None)
    return found


def _text_lists(column: pa.Array) -> list[bytes | None]:
    """``blobs`` of lists of text without nulls in them; each different text is encoded once."""
    texts = column.flatten().dictionary_encode()
    parts = [_counted(TEXT, text.encode()) for text in texts.dictionary.to_pylist()]
    part_N = [parts[place] for place in texts.indices.to_pylist()]
    ends = np.cumsum(pc.fill_null(pc.list_value_length(column), 0).to_numpy()).tolist()
    number = ValueProto.DESCRIPTOR.fields_by_name["string_list_val"].number
    tag = _varint(number << 3 | BYTES_FOLLOW)
    lists = [_counted(tag, b"".join(part_N[begin:end])) for begin, end in pairwise([0, *ends])]
    return [
        each if known else None
        for each, known in zip(lists, column.is_valid().to_pylist(), strict=True)
    ]


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
