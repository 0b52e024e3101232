"""One generation, open to be asked: its rows, its items' facts, its vectors and what is near."""

import threading
from collections.abc import Sequence
from functools import cached_property, lru_cache, partial
from typing import Any

from penchant.errors import DataError
from penchant.serving.feast import FeatureStore
from penchant.serving.feature_repository import open_features
from penchant.serving.generations.facts import ITEM_FACTS, ItemFacts, item_facts, unlike
from penchant.serving.generations.generation import Generation, View
from penchant.serving.generations.index import open_index
from penchant.serving.generations.rows import Rows
from penchant.settings import Settings
from penchant.vectors import FloatArray, matrix

FACTS_KEPT = 50_000  # items whose facts stay at hand: few are shown most of the time


class OpenGeneration:
    """Safe to share between threads. Files are mapped when they are first asked for."""

    def __init__(self, settings: Settings, generation_id: str) -> None:
        """Raises DataError when the generation is not whole on disk, UsageError when its snapshot's
        features are not online."""
        self.generation = Generation.open(settings, generation_id)
        self.features: FeatureStore = open_features(settings, self.generation.snapshot_id)
        self.nearest = None
        """None where popularity serves, which has no vectors."""
        if self.generation.has_vectors:
            self.nearest = open_index(settings, self.generation)
        self._rows: dict[str, Rows] = {}
        self._mapping = threading.Lock()
        try:
            facts = self.facts
        except FileNotFoundError:
            raise DataError(
                f"generation {generation_id} is from before generations had facts of items",
                f"`penchant publish --snapshot {self.generation.snapshot_id}`",
            ) from None
        self._facts_of_one = lru_cache(FACTS_KEPT)(partial(item_facts, facts))

    def rows(self, view: View) -> Rows:
        """All rows of a view."""
        with self._mapping:
            rows = self._rows.get(view.name)
            if rows is None:
                rows = self._rows[view.name] = Rows.open(self.generation.path, view)
            return rows

    def row(self, view: View, key: str) -> dict[str, Any] | None:
        """The view's row for ``key`` by column name, or None."""
        return self.rows(view).row(key)

    @property
    def facts(self) -> Rows:
        """Facts of all items of the snapshot: ``facts.table`` has a column for each."""
        return self.rows(ITEM_FACTS)

    def facts_of(self, item_ids: Sequence[str]) -> list[ItemFacts]:
        """One for each id, in order. Raises DataError for an item that the snapshot lacks."""
        found = [(item_id, self._facts_of_one(item_id)) for item_id in item_ids]
        missing = [item_id for item_id, fact in found if fact is None]
        if missing:
            raise unlike(f"{len(missing)} items have no title, such as {missing[0]!r}")
        return [fact for _, fact in found if fact is not None]

    @cached_property
    def vectors_ID(self) -> FloatArray:
        """All items' vectors in the order of ``rows(generation.item_vectors)``; float32."""
        return matrix(self.rows(self.generation.item_vectors).table)

    def family(self, role: str) -> str:
        """Of the generation's ``retriever``, ``ranker`` or ``prior``."""
        return self.generation.description[role]["family"]
