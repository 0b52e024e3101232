"""Packed rows hold what Feast's messages hold, and read back as whole columns."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from penchant.feast_sdk import (
    Array,
    Bool,
    FeastType,
    Float32,
    Float64,
    Int32,
    Int64,
    String,
    UnixTimestamp,
    ValueType,
    python_values_to_proto_values,
)
from penchant.features.packed_rows import PackedRows

BIG = 2**53 + 1  # which a double can't hold
AT = datetime(2018, 1, 2, 3, 4, 5)
COLUMNS: dict[str, tuple[FeastType, pa.DataType, ValueType, list[object]]] = {
    "flag": (Bool, pa.bool_(), ValueType.BOOL, [True, None, False]),
    "small": (Float32, pa.float32(), ValueType.FLOAT, [0.5, -1.0, None]),
    "real": (Float64, pa.float64(), ValueType.DOUBLE, [None, float("inf"), 1 / 3]),
    "count": (Int32, pa.int32(), ValueType.INT32, [1, None, -7]),
    "large": (Int64, pa.int64(), ValueType.INT64, [BIG, None, 0]),
    "seen_at": (UnixTimestamp, pa.timestamp("us"), ValueType.UNIX_TIMESTAMP, [AT, None, AT]),
}


@pytest.fixture
def packed() -> PackedRows:
    return PackedRows(tuple(COLUMNS), tuple(kind for kind, *_ in COLUMNS.values()))


def table() -> pa.Table:
    """The values, the times with microseconds that Feast drops."""
    columns = {name: pa.array(values, kind) for name, (_, kind, _, values) in COLUMNS.items()}
    late = [AT + timedelta(microseconds=999_999), None, AT]
    return pa.table({**columns, "seen_at": pa.array(late, pa.timestamp("us"))})


def test_messages_equal_feasts(packed: PackedRows) -> None:
    (batch,) = table().to_batches()
    names = list(COLUMNS)
    found = packed.protos(packed.rows(b"".join(packed.blobs(batch))), names)
    for place, (_, _, kind, values) in enumerate(COLUMNS.values()):
        for at, value in enumerate(values):
            if value is None:
                assert found[at][place].WhichOneof("val") is None
            else:
                assert found[at][place] == python_values_to_proto_values([value], kind)[0]


def test_blobs_of_messages_equal_those_of_columns(packed: PackedRows) -> None:
    (batch,) = table().to_batches()
    blobs = packed.blobs(batch)
    protos = packed.protos(packed.rows(b"".join(blobs)), list(COLUMNS))
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in protos]
    assert packed.blobs_of_protos(rows) == blobs


def test_columns_are_floats_with_nan_for_null(packed: PackedRows) -> None:
    (batch,) = table().to_batches()
    values_FN = packed.values(packed.rows(b"".join(packed.blobs(batch))), list(COLUMNS))
    columns = dict(zip(COLUMNS, values_FN, strict=True))
    np.testing.assert_array_equal(columns["flag"], [1, np.nan, 0])
    np.testing.assert_array_equal(columns["count"], [1, np.nan, -7])
    np.testing.assert_array_equal(columns["real"], [np.nan, np.inf, 1 / 3])
    np.testing.assert_array_equal(columns["seen_at"][:1] % 60, [5])


def test_a_view_with_text_or_lists_is_not_packed(tmp_path: Path) -> None:
    from penchant.feast_sdk import Entity, FeatureView, Field, FileSource

    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)

    def view(*kinds: FeastType) -> FeatureView:
        fields = [Field(name=f"f{at}", dtype=kind) for at, kind in enumerate(kinds)]
        source = FileSource(path=str(tmp_path / "v.parquet"), timestamp_field="feature_at")
        key = Field(name="user_id", dtype=String)
        return FeatureView(name="v", entities=[user], schema=[key, *fields], source=source)

    assert PackedRows.of(view(Int64, Float64)) is not None
    assert PackedRows.of(view(Int64, String)) is None
    assert PackedRows.of(view(Array(Float64))) is None
