"""Batched online reads of a feature service: one read of each view, returned as columns.

``FeatureStore.get_online_features`` builds a message for each value of each row, which for hundreds
of candidates takes longer than a request may. This reads the same views of the same service from
the same online store, and a view of numbers from ``WideSqliteOnlineStore`` without messages.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, cast

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
    def of_users(self) -> UserRowsTable | None:
        """Where our own store has all rows of a user together."""
        own = isinstance(self.store._get_provider().online_store, WideSqliteOnlineStore)
        return UserRowsTable.of(self.view) if own else None

    @cached_property
    def _is_packed(self) -> bool:
        own = isinstance(self.store._get_provider().online_store, WideSqliteOnlineStore)
        return own and self.of_users is None and PackedRows.of(self.view) is not None

    @property
    def keys(self) -> tuple[str, ...]:
        """The join keys, such as ``user_id``."""
        return tuple(column.name for column in self.view.entity_columns)

    def is_empty(self) -> bool:
        """Whether it has no row online. False where the store can't tell, as Redis."""
        online_store = self.store._get_provider().online_store
        if not isinstance(online_store, WideSqliteOnlineStore):
            return False
        return not online_store.has_rows(self.store.config, self.view)

    def read(
        self,
        ids: Mapping[str, Sequence[str]],
        features: Sequence[str],
        as_of: datetime | None = None,
    ) -> ViewRows:
        """The row of each entity, in order. ``ids``: by join key. ``as_of``, naive UTC: rows that
        had expired by then count as missing, as in historical retrieval."""
        online_store = self.store._get_provider().online_store
        if self._is_packed:
            rows = self._packed(cast(WideSqliteOnlineStore, online_store), ids, features)
        else:
            rows = self._messages(online_store, ids, features)
        return _without(rows, rows.times_N < self.earliest(as_of))

    def earliest(self, as_of: datetime | None) -> float:
        """The time in seconds before which rows have expired."""
        if as_of is None or not self.view.ttl:
            return -np.inf
        return (as_of.replace(tzinfo=UTC) - self.view.ttl).timestamp()

    def _packed(
        self,
        online_store: WideSqliteOnlineStore,
        ids: Mapping[str, Sequence[str]],
        features: Sequence[str],
    ) -> ViewRows:
        config = self.store.config
        keys = entity_keys(config, self.view, ids)
        places_R, times_R, found = online_store.read_packed(config, self.view, keys, features)
        return ViewRows(
            _spread(times_R, places_R, len(keys)),
            {name: _spread(found[name], places_R, len(keys)) for name in features},
        )

    def _messages(
        self, online_store: Any, ids: Mapping[str, Sequence[str]], features: Sequence[str]
    ) -> ViewRows:
        keys = [
            EntityKeyProto(
                join_keys=list(self.keys),
                entity_values=[ValueProto(string_val=each) for each in row],
            )
            for row in zip(*(ids[name] for name in self.keys), strict=True)
        ]
        rows = online_store.online_read(self.store.config, self.view, keys, list(features))
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
        assert self.reader.of_users
        store = self.reader.store
        online_store = store._get_provider().online_store
        assert isinstance(online_store, WideSqliteOnlineStore)
        return online_store.numbers(
            store.config, self.reader.of_users, self.names(np.arange(self.count))
        )

    def read(
        self, user_id: str, values_W: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], ViewRows]:
        """The rows that exist: their places in ``values_W``, and the rows in this order."""
        table = self.reader.of_users
        if table is None:
            users, names = [user_id] * len(values_W), self.names(values_W)
            ids = {key: users if key == USER else names for key in self.reader.keys}
            rows = self.reader.read(ids, self.features, self.as_of)
            found_R = np.flatnonzero(np.isfinite(rows.times_N))
            columns = {name: column[found_R] for name, column in rows.columns.items()}
            return found_R, ViewRows(rows.times_N[found_R], columns)
        store = self.reader.store
        online_store = store._get_provider().online_store
        assert isinstance(online_store, WideSqliteOnlineStore)
        of_user = online_store.read_user(store.config, table, user_id)
        place_W = of_user.places(self._number_V[values_W])
        found_R = np.flatnonzero(place_W >= 0)
        times_R = of_user.micros_R[place_W[found_R]] / MICROSECONDS
        if len(late_R := np.flatnonzero(times_R < self.reader.earliest(self.as_of))):
            found_R, times_R = np.delete(found_R, late_R), np.delete(times_R, late_R)
        rows_R = of_user.rows_R[place_W[found_R]]
        return found_R, ViewRows(times_R, table.packed.columns(rows_R, self.features))


def view_readers(store: FeatureStore, service: str) -> dict[str, ViewReader]:
    """A reader of each view of a feature service, by the view's name. Raises UsageError without
    the service."""
    views = views_of(store, resolve(store, service))
    return {view.name: ViewReader(store, view) for view in views}


def _spread(values_R: FloatArray, places_R: npt.NDArray[np.int64], count: int) -> FloatArray:
    """Values at their places; NaN at the others."""
    spread_N = np.full(count, np.nan)
    spread_N[places_R] = values_R
    return spread_N


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
