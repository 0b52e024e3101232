"""Items that a service sent: those that the release lacks, and changes of those that it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol

from penchant.releases.hnsw_index import unit
from penchant.releases.item_arrays import SEPARATOR
from penchant.releases.item_attributes import ItemFacts
from penchant.releases.opened import OpenRelease
from penchant.vectors import FloatArray


@dataclass(frozen=True)
class NewItem:
    """``received_at``: naive UTC. ``vector_D``: None where nothing resembles it, and where
    popularity serves."""

    item_id: str
    facts: ItemFacts
    received_at: datetime
    vector_D: FloatArray | None


@dataclass(frozen=True)
class NewItems:
    """Newest first."""

    items: tuple[NewItem, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.items)

    @cached_property
    def _own(self) -> dict[str, ItemFacts]:
        return {each.item_id: each.facts for each in self.items}

    def get(self, item_id: str) -> NewItem | None:
        return next((each for each in self.items if each.item_id == item_id), None)

    def facts_of(self, opened: OpenRelease, item_ids: Sequence[str]) -> list[ItemFacts]:
        """The attributes of items of the release or of these."""
        own = self._own
        listed = [item_id for item_id in item_ids if item_id not in own]
        facts = dict(zip(listed, opened.facts_of(listed), strict=True))
        return [own.get(item_id) or facts[item_id] for item_id in item_ids]

    def cosines(self, vector_D: FloatArray, category: str | None) -> list[tuple[str, float]]:
        """The items of a category with a vector, and their cosine with ``vector_D``."""
        return [
            (each.item_id, float(unit(each.vector_D) @ unit(vector_D)))
            for each in self.items
            if each.vector_D is not None and is_within(each.facts.path, category)
        ]


NONE = NewItems()


def is_within(path: Sequence[str], category: str | None) -> bool:
    """Whether an item's category path is in ``category``, itself a path; None has all items."""
    if category is None:
        return True
    wanted = category.strip().split(SEPARATOR)
    return list(path[: len(wanted)]) == wanted


class NewItemSource(Protocol):
    """A source of new items and of changes. Shared between threads."""

    def beside(self, opened: OpenRelease) -> NewItems:
        """The sent items that a release lacks."""

    def current(self, opened: OpenRelease) -> OpenRelease:
        """A release with the attributes that were sent since for its items."""


class CatalogueOnly:
    """The items of the release alone."""

    def beside(self, opened: OpenRelease) -> NewItems:
        return NONE

    def current(self, opened: OpenRelease) -> OpenRelease:
        return opened


CATALOGUE_ONLY = CatalogueOnly()
