"""Rows of a user and one more key are stored together, and read back one by one or by user."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from penchant.feast_sdk import Float64, Int64
from penchant.features import user_rows
from penchant.features.packed_rows import PackedRows
from penchant.features.user_rows import UserRowsTable

TABLE = UserRowsTable("pairs", "item_id", PackedRows(("count", "price"), (Int64, Float64)))


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as opened:
        TABLE.create(opened)
        yield opened


def pairs(order: int = 1) -> pa.Table:
    """Three users with one to three items, at 1,000 microseconds times the count."""
    rows = [("u1", "b", 1), ("u2", "a", 2), ("u1", "c", 3), ("u1", "a", 4), ("u3", "c", 5)][::order]
    users, items, counts = zip(*rows, strict=True)
    return pa.table(
        {
            "user_id": users,
            "item_id": items,
            "count": counts,
            "price": [count / 2 for count in counts],
            "at": pa.array([1000 * count for count in counts], pa.timestamp("us")),
        }
    )


def read(connection: sqlite3.Connection, user_id: str) -> dict[str, tuple[int, int, float]]:
    """By item: time, count and price."""
    rows = TABLE.read(connection, user_id)
    places = rows.places(TABLE.numbers(connection, ["a", "b", "c", "unknown"]))
    count_R, price_R = TABLE.packed.values(rows.rows_R, ["count", "price"])
    return {
        item: (int(rows.micros_R[at]), int(count_R[at]), float(price_R[at]))
        for item, at in zip("abc?", places.tolist(), strict=True)
        if at >= 0
    }


def content(connection: sqlite3.Connection) -> list[str]:
    return list(connection.iterdump())


def test_all_rows_of_a_user_are_read_together(connection: sqlite3.Connection) -> None:
    TABLE.write(connection, pairs(), "at")
    assert read(connection, "u1") == {
        "a": (4000, 4, 2.0),
        "b": (1000, 1, 0.5),
        "c": (3000, 3, 1.5),
    }
    assert read(connection, "u3") == {"c": (5000, 5, 2.5)}
    assert read(connection, "nobody") == {}
    assert TABLE.count(connection) == 5


def test_order_and_size_of_parts_do_not_matter(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    TABLE.write(connection, pairs(), "at")
    monkeypatch.setattr(user_rows, "ROWS_A_PART", 2)
    with closing(sqlite3.connect(":memory:")) as other:
        TABLE.create(other)
        TABLE.write(other, pairs(order=-1), "at")
        assert content(other) == content(connection)


def test_rows_added_one_by_one_join_those_of_the_user(connection: sqlite3.Connection) -> None:
    table = pairs()
    (batch,) = table.to_batches()
    blobs = TABLE.packed.blobs(batch)
    for at, row in enumerate(table.to_pylist()):
        micros = int(1000 * row["count"])
        TABLE.add(connection, {(row["user_id"], row["item_id"]): (micros, blobs[at])})
    assert read(connection, "u1").keys() == {"a", "b", "c"}
    TABLE.add(connection, {("u1", "b"): (9000, blobs[1])})
    assert read(connection, "u1")["b"] == (9000, 2, 1.0)
    assert TABLE.count(connection) == 5


def test_rows_written_again_replace_those_of_their_keys(connection: sqlite3.Connection) -> None:
    TABLE.write(connection, pairs(), "at")
    before = read(connection, "u1")
    TABLE.write(connection, pairs().filter(pc.equal(pairs()["item_id"], "b")), "at")
    assert read(connection, "u1") == before
    assert TABLE.count(connection) == 5


def test_more_values_than_one_query_takes(connection: sqlite3.Connection) -> None:
    TABLE.write(connection, pairs(), "at")
    values = ["a", *(f"unknown {each}" for each in range(user_rows.VALUES_A_QUERY))]
    numbers = TABLE.numbers(connection, values)
    assert numbers[0] >= 0 and np.all(numbers[1:] == -1)
