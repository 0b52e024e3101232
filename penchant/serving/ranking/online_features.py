"""The model's features of one request, read through its feature service from the online store.

Each view is read once: one row of the user, a row for each pair of the user with a candidate or
with a candidate's category. Rows that expired before the end of the release's data count as
missing, as they do in historical retrieval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC

import numpy as np
import pyarrow.compute as pc

from penchant.errors import UsageError
from penchant.features.batched_reads import ViewReader, view_readers
from penchant.interactions import ItemEvent
from penchant.ranking.features import (
    FEATURE_TIME,
    FeatureColumn,
    Features,
    FloatArray,
    ranking_features,
)
from penchant.ranking.fresh_pairs import PAIR_VIEW, with_events
from penchant.releases.item_arrays import IntArray
from penchant.releases.opened import OpenRelease
from penchant.releases.ranking_files import RankingFiles
from penchant.serving.ranking.item_columns import ItemColumns
from penchant.serving.ranking.sources import Merged, listed

USER, ITEM = "user_id", "item_id"
GROUPS = {
    "category": ("category_1",),
    "leaf_category": ("category_3", "category_2", "category_1"),
}
"""Join keys that an item has through its attributes: the first of these that is known."""
Raw = dict[str, np.ndarray]


class FeaturesMissing(Exception):
    """The online store lacks what the model needs."""

    def __init__(self, where: str, cause: str) -> None:
        """``where``: the view or the service."""
        super().__init__(f"{where}: {cause}")


class OnlineFeatures:
    """Features of a release's ranking model. Safe to share between threads."""

    def __init__(self, opened: OpenRelease, files: RankingFiles) -> None:
        """Raises FeaturesMissing for a view that is absent or has no row online: it was not
        materialized, or all its rows had expired."""
        record, store = files.record, opened.features
        self._items, self._as_of = opened.items, files.as_of
        self.moment = self._as_of.replace(tzinfo=UTC).timestamp()
        self._sources = [source.name for source in record.sources]
        try:
            readers = view_readers(store, record.feature_service)
        except UsageError as error:
            raise FeaturesMissing(record.feature_service, error.cause) from error
        self._readers: dict[str, ViewReader] = {}
        self._columns: dict[str, tuple[FeatureColumn, ...]] = {}
        for view in dict.fromkeys(column.view for column in record.columns):
            if view not in readers:
                raise FeaturesMissing(view, f"not in the service {record.feature_service}")
            self._readers[view] = reader = readers[view]
            self._columns[view] = tuple(each for each in record.columns if each.view == view)
            if unknown := set(reader.keys) - {USER, ITEM, *GROUPS}:
                raise FeaturesMissing(view, f"requests have no {', '.join(sorted(unknown))}")
            if reader.is_empty():
                raise FeaturesMissing(view, "no row online: stale or not materialized")
        self._item_columns = {
            view: ItemColumns(reader, self._columns[view], opened.items.ids, self._as_of)
            for view, reader in self._readers.items()
            if reader.keys == (ITEM,)
        }
        in_memory = {
            column.reference: column
            for each in self._item_columns.values()
            for column in each.columns
        }
        self._as_read = tuple(in_memory.get(each.reference, each) for each in record.columns)
        self._groups = {
            key: ItemGroups.of(opened, columns)
            for key, columns in GROUPS.items()
            if any(key in reader.keys for reader in readers.values())
        }

    def of(self, user_id: str, merged: Merged, events: Sequence[ItemEvent] = ()) -> Features:
        """features_CF of a user's candidates. ``events``: of the user since the release.

        Raises FeaturesMissing where a view of items has a row of none of them.
        """
        items_C = merged.items_C
        raw: Raw = {}
        for view, item_columns in self._item_columns.items():
            values, time_C = item_columns.of(items_C)
            if not np.isfinite(time_C).any():
                raise FeaturesMissing(view, f"no row of any of {len(items_C)} candidates")
            self._add(raw, view, values, time_C)
        item_ids = self._items.ids.names(items_C)
        for view, reader in self._readers.items():
            if view not in self._item_columns:
                self._read(raw, view, reader, user_id, item_ids, items_C)
        if events and PAIR_VIEW in self._columns:
            place_of = {item_id: place for place, item_id in enumerate(item_ids)}
            raw |= self._with_events(raw, place_of, events)
        return ranking_features(
            self._as_read, raw, listed(merged, self._sources), self.moment, len(items_C)
        )

    def _read(
        self,
        raw: Raw,
        view: str,
        reader: ViewReader,
        user_id: str,
        item_ids: Sequence[str],
        items_C: IntArray,
    ) -> None:
        """Add one view's columns: a row of the user, of each pair, or of the user with each
        distinct group of the candidates."""
        names = [column.name for column in self._columns[view]]
        group = next((key for key in reader.keys if key in self._groups), None)
        ids: dict[str, Sequence[str]] = {USER: [user_id]}
        if ITEM in reader.keys:
            ids = {ITEM: item_ids, USER: [user_id] * len(item_ids)}
        elif group:
            groups, place_C = self._groups[group].among(items_C)
            ids = {group: groups, USER: [user_id] * len(groups)}
        rows = reader.read({key: ids[key] for key in reader.keys}, names, self._as_of)
        if group and ITEM not in reader.keys:
            spread = {name: _spread(values_N, place_C) for name, values_N in rows.columns.items()}
            self._add(raw, view, spread, _spread(rows.times_N, place_C))
        else:
            self._add(raw, view, rows.columns, rows.times_N)

    def _with_events(
        self, raw: Raw, place_of: Mapping[str, int], events: Sequence[ItemEvent]
    ) -> dict[str, FloatArray]:
        prefix = f"{PAIR_VIEW}__"
        pairs = {name: values for name, values in raw.items() if name.startswith(prefix)}
        return with_events(pairs, self._columns[PAIR_VIEW], place_of, events, self.moment)

    @staticmethod
    def _add(raw: Raw, view: str, values: Mapping[str, np.ndarray], time_N: FloatArray) -> None:
        for name, values_N in values.items():
            raw[f"{view}__{name}"] = values_N
        raw[f"{view}__{FEATURE_TIME}"] = time_N


@dataclass(frozen=True)
class ItemGroups:
    """The group of every item. ``code_I``: its place in ``names``, -1 without one."""

    names: tuple[str, ...]
    code_I: IntArray

    @classmethod
    def of(cls, opened: OpenRelease, columns: Sequence[str]) -> "ItemGroups":
        """``columns``: of the items' attributes; the first that is known is the group."""
        table = opened.facts.table
        groups = pc.coalesce(*(table[name].combine_chunks() for name in columns))
        encoded = groups.dictionary_encode()
        code_I = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64)
        return cls(tuple(encoded.dictionary.to_pylist()), code_I)

    def among(self, items_C: IntArray) -> tuple[list[str], IntArray]:
        """Distinct groups of the candidates, and each candidate's place among them, -1 without
        one."""
        code_U, place_C = np.unique(self.code_I[items_C], return_inverse=True)
        without = int(code_U[0] < 0)
        return [self.names[code] for code in code_U[without:].tolist()], place_C - without


def _spread(values_N: np.ndarray, place_C: IntArray) -> np.ndarray:
    empty = np.array([None if values_N.dtype == object else np.nan], values_N.dtype)
    return np.concatenate([values_N, empty])[place_C]
