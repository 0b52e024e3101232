"""Packed rows of a view of the user and one more key, all of one user in one blob.

Ranking reads the rows of one user with hundreds of items: one blob instead of a look-up each. The
other key's values, such as item ids, are numbered once for the view; a blob has the numbers in
ascending order, so that the rows of some of them are found by binary search. Axes: R rows of a
user.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penchant.feast_sdk import FeatureView
from penchant.features.packed_rows import PackedRows, Rows

USER = "user_id"
ROWS_A_PART = 20_000
"""Rows held in memory as Python objects at a time, or those of one user."""
VALUES_A_QUERY = 500
"""Values per SELECT; for more, the whole table is read."""

IntArray = npt.NDArray[np.int64]
Entity = tuple[str, str]
"""A user's id and the other key's value."""
Written = tuple[int, bytes]
"""Row time in microseconds since 1970, and a packed row."""


@dataclass(frozen=True)
class UserRows:
    """``numbers_R``: of the other key's values, ascending. ``micros_R``: row times."""

    numbers_R: IntArray
    micros_R: IntArray
    rows_R: Rows

    def places(self, numbers_N: IntArray) -> IntArray:
        """The row of each number; -1 without one."""
        if not len(self.numbers_R):
            return np.full(len(numbers_N), -1)
        place_N = np.minimum(np.searchsorted(self.numbers_R, numbers_N), len(self.numbers_R) - 1)
        return np.where(self.numbers_R[place_N] == numbers_N, place_N, -1)


@dataclass(frozen=True)
class UserRowsTable:
    """The tables of one view: blobs by user, and the numbers of the other key's values."""

    view: str
    other: str
    packed: PackedRows

    @classmethod
    def of(cls, view: FeatureView) -> "UserRowsTable | None":
        """None for a view of other keys, and for one whose rows aren't packed."""
        keys, packed = [column.name for column in view.entity_columns], PackedRows.of(view)
        if packed is None or len(keys) != 2 or USER not in keys:
            return None
        return cls(view.name, keys[1 - keys.index(USER)], packed)

    def create(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {self._rows} "
            "(user_id TEXT PRIMARY KEY, count INTEGER NOT NULL, packed_rows BLOB NOT NULL)"
        )
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {self._numbers} "
            "(number INTEGER PRIMARY KEY, value TEXT NOT NULL UNIQUE)"
        )

    def write(self, connection: sqlite3.Connection, table: pa.Table, time: str) -> None:
        """Write whole columns, a row for each pair of keys. Rows replace those of the same keys."""
        users, others = (
            table[name].combine_chunks().cast(pa.string()).dictionary_encode()
            for name in (USER, self.other)
        )
        user_ids = users.dictionary.to_pylist()
        user_N = users.indices.to_numpy()
        number_N = self._numbered(connection, others.dictionary)[others.indices.to_numpy()]
        order_N = np.lexsort((number_N, _ranks(users.dictionary)[user_N]))
        is_first = not self._has_users(connection)  # then there is nothing to merge with
        for part in _parts(user_N[order_N]):
            rows_N = order_N[part]
            (batch,) = table.take(pa.array(rows_N)).combine_chunks().to_batches()
            micros_N = batch.column(time).cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
            rows_P = self.packed.rows(b"".join(self.packed.blobs(batch)))
            numbers_P, users_P = number_N[rows_N], user_N[rows_N]
            edges = [*_edges(users_P), len(users_P)]
            of_users = [
                (
                    user_ids[users_P[first]],
                    UserRows(numbers_P[first:end], micros_N[first:end], rows_P[first:end]),
                )
                for first, end in pairwise(edges)
            ]
            self._insert(
                connection,
                [
                    _stored(user_id, new if is_first else self._merged(connection, user_id, new))
                    for user_id, new in of_users
                ],
            )

    def add(self, connection: sqlite3.Connection, rows: dict[Entity, Written]) -> None:
        """Write some rows, beside those that users have already."""
        others = pa.array(dict.fromkeys(other for _, other in rows), pa.string())
        numbers_N = self._numbered(connection, others).tolist()
        number_of = dict(zip(others.to_pylist(), numbers_N, strict=True))
        by_user: dict[str, dict[int, Written]] = {}
        for (user_id, other), written in rows.items():
            by_user.setdefault(user_id, {})[number_of[other]] = written
        for user_id, new in by_user.items():
            ordered = sorted(new.items())
            added = UserRows(
                np.array([number for number, _ in ordered]),
                np.array([at for _, (at, _) in ordered]),
                self.packed.rows(b"".join(row for _, (_, row) in ordered)),
            )
            merged = self._merged(connection, user_id, added)
            self._insert(connection, [_stored(user_id, merged)])

    def read(self, connection: sqlite3.Connection, user_id: str) -> UserRows:
        """All rows of a user; none for an unknown one."""
        query = f"SELECT count, packed_rows FROM {self._rows} WHERE user_id = ?"
        count, blob = connection.execute(query, [user_id]).fetchone() or (0, b"")
        micros_R = np.frombuffer(blob, "<i8", count)
        numbers_R = np.frombuffer(blob, "<i4", count, offset=8 * count)
        return UserRows(numbers_R, micros_R, self.packed.rows(memoryview(blob)[12 * count :]))

    def numbers(self, connection: sqlite3.Connection, values: Sequence[str]) -> IntArray:
        """number_N of the other key's values; -1 for one that the view doesn't have."""
        query, some = f"SELECT value, number FROM {self._numbers}", list(dict.fromkeys(values))
        if len(some) > VALUES_A_QUERY:
            some = []
        else:
            query += f" WHERE value IN ({', '.join('?' * len(some))})"
        number_of = dict(connection.execute(query, some).fetchall())
        return np.array([number_of.get(value, -1) for value in values], np.int64)

    def count(self, connection: sqlite3.Connection) -> int:
        """Rows of all users."""
        query = f"SELECT coalesce(sum(count), 0) FROM {self._rows}"
        return int(connection.execute(query).fetchone()[0])

    @property
    def tables(self) -> tuple[str, str]:
        """Their names as SQL."""
        return self._rows, self._numbers

    @property
    def _rows(self) -> str:
        return quoted(self.view)

    @property
    def _numbers(self) -> str:
        return quoted(f"{self.view}: {self.other}")

    def _merged(self, connection: sqlite3.Connection, user_id: str, new: UserRows) -> UserRows:
        """The rows that are stored of a user, and new ones in place of older."""
        known = self.read(connection, user_id)
        # of equal numbers, the first place: that of the new row
        numbers_R, place_R = np.unique(
            np.concatenate([new.numbers_R, known.numbers_R]), return_index=True
        )
        micros_R = np.concatenate([new.micros_R, known.micros_R])[place_R]
        rows_R = np.concatenate([new.rows_R, known.rows_R])[place_R]
        return UserRows(numbers_R, micros_R, rows_R)

    def _has_users(self, connection: sqlite3.Connection) -> bool:
        query = f"SELECT EXISTS (SELECT 1 FROM {self._rows})"
        return bool(connection.execute(query).fetchone()[0])

    def _insert(self, connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
        with connection:
            connection.executemany(f"INSERT OR REPLACE INTO {self._rows} VALUES (?, ?, ?)", rows)

    def _numbered(self, connection: sqlite3.Connection, values: pa.Array) -> IntArray:
        """number_N of distinct values; new ones get the next numbers, in their order as text."""
        wanted = values.to_pylist()
        known = self.numbers(connection, wanted)
        new = sorted(value for value, number in zip(wanted, known, strict=True) if number < 0)
        with connection:
            connection.executemany(
                f"INSERT INTO {self._numbers} (value) VALUES (?)", ([value] for value in new)
            )
        return self.numbers(connection, wanted) if new else known


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _stored(user_id: str, rows: UserRows) -> tuple[str, int, bytes]:
    """A row of the table of users."""
    micros, numbers = rows.micros_R.astype("<i8"), rows.numbers_R.astype("<i4")
    return user_id, len(numbers), micros.tobytes() + numbers.tobytes() + rows.rows_R.tobytes()


def _ranks(values: pa.Array) -> IntArray:
    """The place of each value among all of them in ascending order."""
    ranks_N = np.empty(len(values), np.int64)
    ranks_N[pc.sort_indices(values).to_numpy()] = np.arange(len(values))
    return ranks_N


def _edges(users_N: npt.NDArray[np.integer[Any]]) -> list[int]:
    """Where each user's rows begin."""
    changed_N = np.flatnonzero(users_N[1:] != users_N[:-1]) + 1
    return [0, *changed_N.tolist()] if len(users_N) else []


def _parts(users_N: npt.NDArray[np.integer[Any]]) -> Iterator[slice]:
    """Consecutive rows of whole users, about ``ROWS_A_PART`` each."""
    first, ends = 0, [*_edges(users_N)[1:], len(users_N)] if len(users_N) else []
    for place, end in enumerate(ends):
        last = place == len(ends) - 1
        if last or ends[place + 1] - first > ROWS_A_PART:
            yield slice(first, end)
            first = end
