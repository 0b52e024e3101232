"""Batched online reads of a feature service: one read of each view, returned as columns.

``FeatureStore.get_online_features`` builds a message for each value of each row, which for hundreds
of candidates takes longer than a request may. This reads the same views of the same service from
the same online store, and a view of numbers from ``WideSqliteOnlineStore`` without messages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from penchant.feast_sdk import EntityKeyProto, FeatureStore, FeatureView, ValueProto
from penchant.features.online_store import WideSqliteOnlineStore, entity_keys
from penchant.features.packed_rows import FEASTS_NULL_TIME, FloatArray, PackedRows
from penchant.features.request import resolve, views_of

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
    """Reads one view."""

    store: FeatureStore
    view: FeatureView

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
        if isinstance(online_store, WideSqliteOnlineStore) and PackedRows.of(self.view):
            rows = self._packed(online_store, ids, features)
        else:
            rows = self._messages(online_store, ids, features)
        if as_of is None or not self.view.ttl:
            return rows
        earliest = (as_of.replace(tzinfo=UTC) - self.view.ttl).timestamp()
        return _without(rows, rows.times_N < earliest)

    def _packed(
        self,
        online_store: WideSqliteOnlineStore,
        ids: Mapping[str, Sequence[str]],
        features: Sequence[str],
    ) -> ViewRows:
        config = self.store.config
        keys = entity_keys(config, self.view, ids)
        places_R, times_R, found = online_store.read_packed(config, self.view, keys)
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
