"""What is known of the shopper who is asked for: as published, or with what happened since."""

from dataclasses import dataclass
from typing import Protocol

from penchant.serving.folding.folding import Folding
from penchant.serving.folding.history import History
from penchant.serving.generations.generation import BOUGHT_ITEMS
from penchant.serving.generations.opened import OpenGeneration
from penchant.vectors import FloatArray


@dataclass(frozen=True)
class Shopper:
    """``vector_D``: the retriever's, None where it has none. ``folded``: whether it knows of more
    than the generation's ranked lists do. ``bought_since``: items bought after the snapshot."""

    user_id: str
    vector_D: FloatArray | None
    folded: bool = False
    bought_since: frozenset[str] = frozenset()

    def bought(self, opened: OpenGeneration) -> frozenset[str]:
        """All that the shopper ever bought."""
        if not opened.generation.has(BOUGHT_ITEMS):
            return self.bought_since  # nobody had bought anything
        row = opened.row(BOUGHT_ITEMS, self.user_id)
        return self.bought_since.union(row["item_ids"] if row else ())


class Shoppers(Protocol):
    """Who knows a shopper. Shared between threads."""

    def of(self, opened: OpenGeneration, user_id: str) -> Shopper:
        """As the generation knows them, and whatever came after."""

    def history(self, opened: OpenGeneration, folding: Folding, user_id: str) -> History:
        """What the vector of ``of`` is made of; empty for a shopper of whom nothing is known."""


class AsPublished:
    """Nothing is known but what the generation has."""

    def of(self, opened: OpenGeneration, user_id: str) -> Shopper:
        return Shopper(user_id, published_vector(opened, user_id))

    def history(self, opened: OpenGeneration, folding: Folding, user_id: str) -> History:
        return folding.history(user_id)


AS_PUBLISHED = AsPublished()


def published_vector(opened: OpenGeneration, user_id: str) -> FloatArray | None:
    """vector_D of a shopper; None for one without, and where popularity serves."""
    generation = opened.generation
    if not generation.has_vectors:
        return None
    row = opened.row(generation.user_vectors, user_id)
    return None if row is None else generation.user_vector(row)
