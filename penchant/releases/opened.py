"""An open release: its rows, item attributes, vectors, index and encoder."""

import threading
from collections.abc import Mapping, Sequence
from copy import copy
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np

from penchant.errors import DataError
from penchant.feast_sdk import FeatureStore
from penchant.features.repository import open_features
from penchant.releases.fold_in import FoldIn
from penchant.releases.index import open_index
from penchant.releases.item_arrays import Items
from penchant.releases.item_attributes import ITEM_FACTS, ItemFacts, item_facts, unlike
from penchant.releases.ranking_files import RankingFiles
from penchant.releases.release import POPULARITY_PRIOR, PRIOR_SCOPE, Release, View
from penchant.releases.rows import Rows
from penchant.settings import Settings
from penchant.vectors import FloatArray, matrix

FACTS_KEPT = 50_000  # cached items: few items make up most answers


class OpenRelease:
    """Safe to share between threads. Most files are opened on first use."""

    def __init__(self, settings: Settings, release_id: str) -> None:
        """Raises DataError when a file of the release is missing or not as published, UsageError
        when its snapshot's features are not online."""
        self.release = Release.open(settings, release_id)
        self.release.verify()
        self.features: FeatureStore = open_features(settings, self.release.snapshot_id)
        self.nearest = None
        """None where popularity serves: it has no vectors."""
        if self.release.has_vectors:
            self.nearest = open_index(settings, self.release)
        self._rows: dict[str, Rows] = {}
        self._mapping = threading.RLock()
        self._items: Items | None = None
        self._fold_in: FoldIn | None = None
        try:
            facts = self.facts
        except FileNotFoundError as error:
            raise DataError(
                f"release {release_id} is incomplete: {error.filename or error}",
                f"run `penchant publish --snapshot {self.release.snapshot_id}` again",
            ) from None
        self._facts_of_one = lru_cache(FACTS_KEPT)(partial(item_facts, facts))
        self._published = self

    def with_changes(self, changed: Mapping[str, ItemFacts]) -> "OpenRelease":
        """The release as published, but for these attributes of some of its items: answers and
        filters read them; ``facts`` and the online features stay as they are."""
        published = self._published
        result = copy(published)
        result._items = published.items.with_changes(changed)
        result._facts_of_one = lambda item_id: (  # type: ignore[assignment]  # not cached
            changed.get(item_id) or published._facts_of_one(item_id)
        )
        return result

    def facts_as_published(self, item_id: str) -> ItemFacts | None:
        """The attributes of an item; None for an unknown one."""
        return self._published._facts_of_one(item_id)

    def open_all(self) -> None:
        """Open what is otherwise opened on first use, so that a fault shows before a request."""
        _ = self.items, self.fold_in

    def rows(self, view: View) -> Rows:
        """All rows of a view."""
        with self._mapping:
            rows = self._rows.get(view.name)
            if rows is None:
                rows = self._rows[view.name] = Rows.open(self.release.path, view)
            return rows

    def row(self, view: View, key: str) -> dict[str, Any] | None:
        """The view's row for ``key`` by column name, or None."""
        return self.rows(view).row(key)

    @property
    def facts(self) -> Rows:
        """Attributes of all items of the snapshot: ``facts.table`` has a column for each."""
        return self.rows(ITEM_FACTS)

    def facts_of(self, item_ids: Sequence[str]) -> list[ItemFacts]:
        """The attributes of each id, in order. Raises DataError for an unknown item."""
        found = [(item_id, self._facts_of_one(item_id)) for item_id in item_ids]
        missing = [item_id for item_id, fact in found if fact is None]
        if missing:
            raise unlike(f"{len(missing)} items have no title, such as {missing[0]!r}")
        return [fact for _, fact in found if fact is not None]

    @cached_property
    def vectors_ID(self) -> FloatArray:
        """All items' vectors in the order of ``rows(release.item_vectors)``; float32."""
        return matrix(self.rows(self.release.item_vectors).table)

    @property
    def items(self) -> Items:
        """All items as arrays, made on first use. Raises DataError without a popularity prior."""
        with self._mapping:
            if self._items is None:
                self._items = self._made_items()
            return self._items

    def _made_items(self) -> Items:
        prior = self.row(POPULARITY_PRIOR, PRIOR_SCOPE)
        if prior is None:
            raise DataError(
                f"release {self.release.id} has no popularity prior",
                "run `penchant rollback`, and report how it was published",
            )
        if self.nearest is None:
            return Items(self.facts.table, prior, (), np.zeros((0, 0), np.float32))
        vectors = self.rows(self.release.item_vectors).table["item_id"]
        return Items(self.facts.table, prior, vectors.to_pylist(), self.vectors_ID)

    @property
    def fold_in(self) -> FoldIn | None:
        """The encoder and histories, opened on first use; None for a release without encoder."""
        if not self.release.has_encoder:
            return None
        with self._mapping:
            if self._fold_in is None:
                self._fold_in = FoldIn.open(self.release)
            return self._fold_in

    @cached_property
    def ranking(self) -> RankingFiles | None:
        """The ranking model, opened on first use; None for a release with lists only.

        Raises DataError for a file that is missing or corrupt.
        """
        published = self.release.manifest.ranking_model
        return RankingFiles.open(self.release, published) if published else None

    def family(self, role: str) -> str:
        """The family of the release's ``retriever``, ``ranker`` or ``prior``."""
        return getattr(self.release.manifest, role).family
