"""The model's features of one request, read through its feature service from the online store.

Each view is read once: one row of the user, all rows of the user with items or categories, one row
of each category. Features of items are in the release. Rows that expired before the end of the
release's data count as missing, as they do in historical retrieval. Axes beside the package's: R
rows of a block.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC

import numpy as np
import pyarrow.compute as pc

from penchant.errors import UsageError
from penchant.features.batched_reads import RowReader, ViewReader, ViewRows, view_readers
from penchant.interactions import ItemEvent
from penchant.ranking.feature_blocks import (
    CANDIDATE,
    ITEM,
    NO_FEATURES,
    PAIR,
    USER,
    Block,
    BlockPlans,
    matrix,
    spread,
)
from penchant.ranking.features import FEATURE_TIME, Features
from penchant.ranking.fresh_pairs import PAIR_VIEW, with_events
from penchant.releases.item_arrays import IntArray
from penchant.releases.opened import OpenRelease
from penchant.releases.ranking_files import RankingFiles
from penchant.serving.ranking.item_features import ItemFeatures
from penchant.serving.ranking.sources import Merged, listed

USER_KEY, ITEM_KEY = "user_id", "item_id"
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


@dataclass(frozen=True)
class RequestFeatures:
    """Features of one request's candidates. ``blocks``: of all features but those of items."""

    items_C: IntArray
    items: ItemFeatures
    blocks: tuple[Block, ...]

    def matrix(self) -> Features:
        """features_CF in the order of the model's inputs, as training computes them."""
        count = len(self.items_C)
        of_items = Block(self.items.plan.features, self.items.of(self.items_C), None)
        return matrix([of_items, *self.blocks], count)


class OnlineFeatures:
    """Features of a release's ranking model. Safe to share between threads."""

    def __init__(self, opened: OpenRelease, files: RankingFiles) -> None:
        """Raises FeaturesMissing for a view that is absent or has no row online: it was not
        materialized, or all its rows had expired."""
        record = files.record
        self._ids, self._as_of = opened.items.ids, files.as_of
        self._moment = self._as_of.replace(tzinfo=UTC).timestamp()
        self._sources = [source.name for source in record.sources]
        self._codes = {
            column.reference: {value: float(code) for code, value in enumerate(column.values)}
            for column in record.columns
            if column.kind == "text"
        }
        readers = _readers(opened, files)
        self._columns = {
            view: tuple(each for each in record.columns if each.view == view) for view in readers
        }
        self._names = {
            view: tuple(each.name for each in columns) for view, columns in self._columns.items()
        }
        self._groups = {
            key: ItemGroups.of(opened, columns)
            for key, columns in GROUPS.items()
            if any(key in reader.keys for reader in readers.values())
        }
        row_of = {view: _row_of(reader) for view, reader in readers.items()}
        self._plans = BlockPlans.make(record.columns, self._sources, row_of)
        self.items = ItemFeatures(
            files.item_values_I, self._plans.of.get(ITEM, NO_FEATURES), self._moment
        )
        self._have_row_I = {
            view: self.items.have_rows(view) for view, row in row_of.items() if row == ITEM
        }
        for view, have_row_I in self._have_row_I.items():
            if not have_row_I.any():
                raise FeaturesMissing(view, "no row of any item of the release")
        self._of_candidates = frozenset[str]().union(
            *(self._plans.of[row].reads for row in (PAIR, CANDIDATE) if row in self._plans.of)
        )
        self._of_user = {view: readers[view] for view, row in row_of.items() if row == USER}
        self._of_rows = {
            row: {
                view: self._reader(readers[view], row)
                for view, of_view in row_of.items()
                if of_view == row
            }
            for row in (PAIR, *self._groups)
        }

    def of(self, user_id: str, merged: Merged, events: Sequence[ItemEvent] = ()) -> RequestFeatures:
        """The features of a user's candidates. ``events``: of the user since the release.

        Raises FeaturesMissing where a view of items has a row of none of them.
        """
        items_C, count = merged.items_C, len(merged.items_C)
        for view, have_row_I in self._have_row_I.items():
            if not have_row_I[items_C].any():
                raise FeaturesMissing(view, f"no row of any of {count} candidates")
        raw_user = self._user(user_id)
        blocks = [self._block(USER, raw_user, 1, None)]
        raw_C = self.items.raw(items_C, self._of_candidates)  # of items and their groups, over C
        for group, groups in self._groups.items():
            groups_U, place_C = groups.among(items_C)
            raw_U = self._rows(group, user_id, groups_U)
            blocks.append(self._block(group, raw_U | raw_user, len(groups_U), place_C))
            raw_C |= {
                name: spread(raw_U[name], place_C) for name in raw_U.keys() & self._of_candidates
            }
        pair_R, raw_R = self._pairs(user_id, items_C, events)
        place_C = np.full(count, -1)
        place_C[pair_R] = np.arange(len(pair_R))
        others = {name: values_C[pair_R] for name, values_C in raw_C.items()}
        blocks.append(self._block(PAIR, others | raw_user | raw_R, len(pair_R), place_C))
        if CANDIDATE in self._plans.of:
            blocks.append(self._block(CANDIDATE, raw_C | raw_user, count, None))
        blocks.append(Block(self._plans.listed, self._listed(merged), None))
        return RequestFeatures(items_C, self.items, tuple(blocks))

    def _reader(self, reader: ViewReader, row: str) -> RowReader:
        names: Callable[[IntArray], Sequence[str]] = self._ids.names
        count = len(self._ids)
        if row != PAIR:
            groups = self._groups[row]
            names, count = groups.named, len(groups.names)
        return RowReader(reader, names, count, self._names[reader.view.name], self._as_of)

    def _block(self, row: str, raw: Raw, count: int, place_C: IntArray | None) -> Block:
        plan = self._plans.of.get(row, NO_FEATURES)
        return Block(plan.features, plan.compute(raw, self._moment, count), place_C)

    def _user(self, user_id: str) -> Raw:
        """The columns of the user, of one element each."""
        raw: Raw = {}
        for view, reader in self._of_user.items():
            ids = {USER_KEY: [user_id]}
            raw |= self._raw(view, reader.read(ids, self._names[view], self._as_of))
        return raw

    def _rows(self, row: str, user_id: str, values_U: IntArray) -> Raw:
        """The columns of the views of a group over all of ``values_U``, NaN without a row."""
        raw: Raw = {}
        for view, reader in self._of_rows[row].items():
            raw |= self._raw(view, reader.read_all(user_id, values_U))
        return raw

    def _pairs(
        self, user_id: str, items_C: IntArray, events: Sequence[ItemEvent]
    ) -> tuple[IntArray, Raw]:
        """The candidates that have a row with the user or, with events, all; and their columns."""
        if events and PAIR_VIEW in self._of_rows[PAIR]:
            every = self._rows(PAIR, user_id, items_C)
            ids = self._ids.names(items_C)
            place_of = {item_id: place for place, item_id in enumerate(ids)}
            of_view = {name: each for name, each in every.items() if _view_of(name) == PAIR_VIEW}
            columns = self._columns[PAIR_VIEW]
            fresh = with_events(of_view, columns, place_of, events, self._moment)
            return np.arange(len(items_C)), every | fresh
        found = {
            view: reader.read(user_id, items_C) for view, reader in self._of_rows[PAIR].items()
        }
        if len(found) == 1:
            ((view, (found_R, rows)),) = found.items()
            return found_R, self._raw(view, rows)
        there_C = np.zeros(len(items_C), bool)
        for found_R, _ in found.values():
            there_C[found_R] = True
        pair_R = np.flatnonzero(there_C)
        return pair_R, self._rows(PAIR, user_id, items_C[pair_R])

    def _raw(self, view: str, rows: ViewRows) -> Raw:
        raw: Raw = {f"{view}__{FEATURE_TIME}": rows.times_N}
        for column in self._columns[view]:
            values_N = rows.columns[column.name]
            if values_N.dtype == object:
                codes = self._codes[column.reference]
                values_N = np.array([codes.get(value, np.nan) for value in values_N.tolist()])
            raw[column.reference] = values_N
        return raw

    def _listed(self, merged: Merged) -> Features:
        features_FC = listed(merged, self._sources).astype(np.float32)
        features_FC[np.isinf(features_FC)] = np.nan
        return features_FC


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

    def named(self, codes_N: IntArray) -> list[str]:
        """The names of groups."""
        return [self.names[code] for code in codes_N.tolist()]

    def among(self, items_C: IntArray) -> tuple[IntArray, IntArray]:
        """codes_U of the candidates' distinct groups, and each candidate's place among them, -1
        without one."""
        code_C = self.code_I[items_C]
        there_G = np.zeros(len(self.names) + 1, bool)  # the last: without a group
        there_G[code_C] = True
        code_U = np.flatnonzero(there_G[:-1])
        place_G = np.full(len(self.names) + 1, -1)
        place_G[code_U] = np.arange(len(code_U))
        return code_U, place_G[code_C]


def _readers(opened: OpenRelease, files: RankingFiles) -> dict[str, ViewReader]:
    """A reader of each view that the model reads. Raises FeaturesMissing."""
    record = files.record
    try:
        readers = view_readers(opened.features, record.feature_service)
    except UsageError as error:
        raise FeaturesMissing(record.feature_service, error.cause) from error
    found = {}
    for view in dict.fromkeys(column.view for column in record.columns):
        if view not in readers:
            raise FeaturesMissing(view, f"not in the service {record.feature_service}")
        found[view] = readers[view]
        _row_of(readers[view])
        if readers[view].is_empty():
            raise FeaturesMissing(view, "no row online: stale or not materialized")
    return found


def _row_of(reader: ViewReader) -> str:
    """What the rows of a view are of. Raises FeaturesMissing for keys that requests lack."""
    if unknown := set(reader.keys) - {USER_KEY, ITEM_KEY, *GROUPS}:
        raise FeaturesMissing(reader.view.name, f"requests have no {', '.join(sorted(unknown))}")
    others = set(reader.keys) - {USER_KEY}
    if others == {ITEM_KEY}:
        return PAIR if USER_KEY in reader.keys else ITEM
    if len(others) > 1:
        raise FeaturesMissing(reader.view.name, f"it has the keys {', '.join(reader.keys)}")
    return others.pop() if others else USER


def _view_of(name: str) -> str:
    return name.partition("__")[0]
