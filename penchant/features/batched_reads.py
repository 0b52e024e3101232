"""Batched online reads of a feature service: one read of each view, returned as columns.

``FeatureStore.get_online_features`` builds a message for each value of each row, which for hundreds
of candidates takes longer than a request may. This reads the same views of the same service from
the same online store, and a view of numbers from ``WideSqliteOnlineStore`` without messages.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from penchant.feast_sdk import EntityKeyProto, FeatureStore, FeatureView, ValueProto
from penchant.features.online_store import WideSqliteOnlineStore, entity_keys
from penchant.features.packed_rows import (
    FEASTS_NULL_TIME,
    MICROSECONDS,
    FloatArray,
    PackedRows,
)
from penchant.features.request import resolve, views_of
from penchant.features.user_rows import USER, UserRowsTable

Column = npt.NDArray[Any]
"""Floats with NaN for null, times in seconds since 1970; or objects with None for null."""


@dataclass(frozen=True)
class ViewRows:
    """``times_N``: of each entity's row, in seconds since 1970; NaN where there is none.
    ``columns``: by feature."""

    times_N: FloatArray
    columns: dict[str, Column]


@dataclass(frozen=True)
class ViewReader:
    """Reads one view. Safe to share between threads."""

    store: FeatureStore
    view: FeatureView

    @cached_property
    def own_store(self) -> WideSqliteOnlineStore | None:
        """The online store, where it is our own."""
        online_store = self.store._get_provider().online_store
        return online_store if isinstance(online_store, WideSqliteOnlineStore) else None

    @cached_property
    def of_users(self) -> UserRowsTable | None:
        """Where our own store has all rows of a user together."""
        return UserRowsTable.of(self.view) if self.own_store else None

    @cached_property
    def _packed_rows(self) -> PackedRows | None:
        """Where our own store has one packed row for each key."""
        return PackedRows.of(self.view) if self.own_store and not self.of_users else None

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The join keys, such as ``user_id``."""
        return tuple(column.name for column in self.view.entity_columns)

    def is_empty(self) -> bool:
        """Whether it has no row online. False where the store can't tell, as Redis."""
        return self.own_store is not None and not self.own_store.has_rows(
            self.store.config, self.view
        )

    def read(
        self,
        ids: Mapping[str, Sequence[str]],
        features: Sequence[str],
        as_of: datetime | None = None,
    ) -> ViewRows:
        """The row of each entity, in order. ``ids``: by join key. ``as_of``, naive UTC: rows that
        had expired by then count as missing, as in historical retrieval."""
        if self.own_store and self._packed_rows:
            rows = self._packed(self.own_store, self._packed_rows, ids, features)
        else:
            rows = self._messages(ids, features)
        return _without(rows, rows.times_N < self.earliest(as_of))

    def earliest(self, as_of: datetime | None) -> float:
        """The time in seconds before which rows have expired."""
        if as_of is None or not self.view.ttl:
            return -np.inf
        return (as_of.replace(tzinfo=UTC) - self.view.ttl).timestamp()

    def _packed(
        self,
        online_store: WideSqliteOnlineStore,
        packed: PackedRows,
        ids: Mapping[str, Sequence[str]],
        features: Sequence[str],
    ) -> ViewRows:
        config, view = self.store.config, self.view
        keys = entity_keys(config, view, ids)
        places_R, times_R, values_FR = online_store.read_packed(
            config, view, packed, keys, features
        )
        return _spread(places_R, times_R, values_FR, features, len(keys))

    def _messages(self, ids: Mapping[str, Sequence[str]], features: Sequence[str]) -> ViewRows:
        config = self.store.config
        if self.own_store and not self.of_users:
            keys = entity_keys(config, self.view, ids)
            rows = self.own_store.read_keys(config, self.view, keys, features)
        else:
            messages = [
                EntityKeyProto(
                    join_keys=list(self.keys),
                    entity_values=[ValueProto(string_val=each) for each in row],
                )
                for row in zip(*(ids[name] for name in self.keys), strict=True)
            ]
            online_store = self.store._get_provider().online_store
            rows = online_store.online_read(config, self.view, messages, list(features))
        times = [np.nan if at is None else _seconds(at) for at, _ in rows]
        columns = {
            name: _column([_value(values[name]) if values else None for _, values in rows])
            for name in features
        }
        return ViewRows(np.array(times, np.float64), columns)


@dataclass(frozen=True)
class RowReader:
    """Reads a view's rows of some values of a key, such as items: those of one user where its other
    key is the user.

    ``names``: the values at places from 0 to ``count``, by which requests name them. Safe to share
    between threads.
    """

    reader: ViewReader
    names: Callable[[npt.NDArray[np.int64]], Sequence[str]]
    count: int
    features: tuple[str, ...]
    as_of: datetime | None = None

    @cached_property
    def _number_V(self) -> npt.NDArray[np.int64]:
        """The number of each value in our own store."""
        store, table = self._own
        return store.numbers(self.reader.store.config, table, self.names(np.arange(self.count)))

    @cached_property
    def _earliest(self) -> float:
        return self.reader.earliest(self.as_of)

    @property
    def _own(self) -> tuple[WideSqliteOnlineStore, UserRowsTable]:
        assert self.reader.own_store and self.reader.of_users
        return self.reader.own_store, self.reader.of_users

    def read(
        self, user_id: str, values_W: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], ViewRows]:
        """The rows that exist: their places in ``values_W``, and the rows in this order."""
        if self.reader.of_users is None:
            rows = self.read_all(user_id, values_W)
            found_R = np.flatnonzero(np.isfinite(rows.times_N))
            columns = {name: column[found_R] for name, column in rows.columns.items()}
            return found_R, ViewRows(rows.times_N[found_R], columns)
        found_R, times_R, values_FR = self._of_user(user_id, values_W)
        return found_R, ViewRows(times_R, dict(zip(self.features, values_FR, strict=True)))

    def read_all(self, user_id: str, values_W: npt.NDArray[np.int64]) -> ViewRows:
        """The row of each value, NaN where there is none."""
        if self.reader.of_users is None:
            users, names = [user_id] * len(values_W), self.names(values_W)
            ids = {key: users if key == USER else names for key in self.reader.keys}
            return self.reader.read(ids, self.features, self.as_of)
        return _spread(*self._of_user(user_id, values_W), self.features, len(values_W))

    def _of_user(
        self, user_id: str, values_W: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], FloatArray, FloatArray]:
        """Of our own store: the places of the rows that exist, their times and values_FR."""
        store, table = self._own
        of_user = store.read_user(self.reader.store.config, table, user_id)
        place_W = of_user.places(self._number_V[values_W])
        found_R = np.flatnonzero(place_W >= 0)
        place_R = place_W[found_R]
        times_R = of_user.micros_R[place_R] / MICROSECONDS
        if (late_R := times_R < self._earliest).any():
            found_R, place_R, times_R = found_R[~late_R], place_R[~late_R], times_R[~late_R]
        return found_R, times_R, table.packed.values(of_user.rows_R[place_R], self.features)


def view_readers(store: FeatureStore, service: str) -> dict[str, ViewReader]:
    """A reader of each view of a feature service, by the view's name. Raises UsageError without
    the service."""
    views = views_of(store, resolve(store, service))
    return {view.name: ViewReader(store, view) for view in views}


def _spread(
    places_R: npt.NDArray[np.int64],
    times_R: FloatArray,
    values_FR: FloatArray,
    features: Sequence[str],
    count: int,
) -> ViewRows:
    """Rows at their places; NaN at the others."""
    if len(places_R) < count or count > 1:
        times_N, values_FN = np.full(count, np.nan), np.full((len(features), count), np.nan)
        times_N[places_R], values_FN[:, places_R] = times_R, values_FR
    else:
        times_N, values_FN = times_R, values_FR
    return ViewRows(times_N, dict(zip(features, values_FN, strict=True)))


def _without(rows: ViewRows, gone_N: npt.NDArray[np.bool_]) -> ViewRows:
    """The rows with those of a mask as if they were missing."""
    if not gone_N.any():
        return rows
    columns = {}
    for name, column in rows.columns.items():
        columns[name] = column.copy()
        columns[name][gone_N] = None if column.dtype == object else np.nan
    return ViewRows(np.where(gone_N, np.nan, rows.times_N), columns)


def _value(message: ValueProto) -> Any:
    """A number, a text or None."""
    field = message.WhichOneof("val")
    value = getattr(message, field) if field else None
    return None if field == "unix_timestamp_val" and value == FEASTS_NULL_TIME else value


def _column(values: list[Any]) -> Column:
    if any(isinstance(value, str) for value in values):
        return np.array(values, object)
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _seconds(at: datetime) -> float:
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
