"""Columnar writes produce the same bytes as Feast's row by row conversion."""

import numpy as np
import pyarrow as pa
import pytest

from penchant.feast_sdk import (
    Array,
    Float32,
    Float64,
    String,
    ValueType,
    python_values_to_proto_values,
)
from penchant.features.value_blobs import blobs


@pytest.mark.parametrize(
    ("element", "dtype", "kind"),
    [
        (pa.float32(), Array(Float32), ValueType.FLOAT_LIST),
        (pa.float64(), Array(Float64), ValueType.DOUBLE_LIST),
    ],
)
@pytest.mark.parametrize("null", [[], [None], [[None, 1.0]]])
def test_float_lists_equal_feasts_serialization(
    element: pa.DataType, dtype: Array, kind: ValueType, null: list[list[float | None] | None]
) -> None:
    wide = np.linspace(-1, 1, 300, dtype=np.float32).tolist()
    lists = [[1.5, -0.0], [], *null, [float("nan"), float("inf"), 3e-45], wide, [0.0]]
    column = pa.array([[9.0], *lists], pa.list_(element)).slice(1)
    protos = python_values_to_proto_values(column.to_pylist(), kind)
    expected = [proto.SerializeToString() or None for proto in protos]
    assert blobs(column, dtype) == expected


def test_text_lists_equal_feasts_serialization() -> None:
    lists = [["a", "", "ä" * 80], [], None, ["b" * 20_000, "a"], ["a"]]
    column = pa.array([["other"], *lists], pa.list_(pa.string())).slice(1)
    protos = python_values_to_proto_values(lists, ValueType.STRING_LIST)
    expected = [proto.SerializeToString() or None for proto in protos]
    assert blobs(column, Array(String)) == expected
    nulls = pa.array([["a", None]], pa.list_(pa.string()))
    (proto,) = python_values_to_proto_values([["a", None]], ValueType.STRING_LIST)
    assert blobs(nulls, Array(String)) == [proto.SerializeToString()]
