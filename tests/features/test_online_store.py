"""Columnar writes produce the same bytes as Feast's row by row conversion."""

import numpy as np
import pyarrow as pa

from penchant.feast_sdk import Array, Float32, ValueType, python_values_to_proto_values
from penchant.features.online_store import _blobs


def test_float_lists_equal_feasts_serialization() -> None:
    wide = np.linspace(-1, 1, 300, dtype=np.float32).tolist()
    lists = [[1.5, -0.0], [], [float("nan"), float("inf"), 3e-45], wide, [0.0]]
    column = pa.array([[9.0], *lists], pa.list_(pa.float32())).slice(1)
    protos = python_values_to_proto_values(column.to_pylist(), ValueType.FLOAT_LIST)
    expected = [proto.SerializeToString() or None for proto in protos]
    assert _blobs(column, Array(Float32)) == expected
