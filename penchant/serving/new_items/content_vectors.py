"""A vector for a new item, from the items that its title and categories resemble.

Words of titles are weighted by rarity (inverse document frequency). The resemblance of two items is
half the share of the new title's word weight that they have in common, and half the share of its
category levels. The vector is the mean of the most similar items' vectors, weighted by a power of
resemblance, so that one with nearly the same title outweighs many of the same category, and
at their mean length, so that it competes as one of them: a nearest-neighbour regression from
content to collaborative vectors. Halves, power and number of neighbours are assumptions.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from penchant.releases.item_arrays import SEPARATOR
from penchant.releases.opened import OpenRelease
from penchant.vectors import FloatArray
from penchant.words import words

NEIGHBOURS = 20
POWER = 4  # of resemblance


class ContentVectors:
    """The content of a release's items that have a vector, as an inverted index."""

    def __init__(self, opened: OpenRelease) -> None:
        items = opened.items
        self._vectors_VD = items.vectors_VD
        self._rows_of_word: dict[str, list[int]] = defaultdict(list)
        self._rows_of_path: dict[str, list[int]] = defaultdict(list)
        if not len(items.item_V):
            return
        facts = opened.facts_of(items.ids.names(items.item_V))
        for row, fact in enumerate(facts):
            for word in _words(fact.title):
                self._rows_of_word[word].append(row)
            for path in _paths(fact.path):
                self._rows_of_path[path].append(row)

    def of(self, title: str, path: Sequence[str]) -> FloatArray | None:
        """vector_D; None where no item has a word or a category in common."""
        similarity_V = np.zeros(len(self._vectors_VD))
        terms = [
            *self._weighted(self._rows_of_word, _words(title)),
            *self._weighted(self._rows_of_path, _paths(path), equal=True),
        ]
        for rows, weight in terms:
            similarity_V[rows] += weight
        similar = np.flatnonzero(similarity_V)
        best = similar[np.lexsort((similar, -similarity_V[similar]))[:NEIGHBOURS]]
        if not len(best):
            return None
        near_ND, weight_N = self._vectors_VD[best], similarity_V[best] ** POWER
        mean_D = (weight_N @ near_ND) / weight_N.sum()
        norm = np.linalg.norm(mean_D)
        if norm == 0:
            return None
        scale = np.linalg.norm(near_ND, axis=1).mean() / norm
        return (scale * mean_D).astype(np.float32)

    def _weighted(
        self, rows_of: dict[str, list[int]], names: Iterable[str], equal: bool = False
    ) -> list[tuple[list[int], float]]:
        """The rows of each name with its share of one half."""
        named = [name for name in names if name in rows_of]
        count = len(self._vectors_VD)
        weights = [1.0 if equal else float(np.log1p(count / len(rows_of[name]))) for name in named]
        total = sum(weights)
        return [
            (rows_of[name], weight / total / 2) for name, weight in zip(named, weights, strict=True)
        ]


def _words(title: str) -> dict[str, None]:
    """The different words of a title, without single letters."""
    return dict.fromkeys(word for word in words(title) if len(word) > 1)


def _paths(path: Sequence[str]) -> list[str]:
    return [SEPARATOR.join(path[: level + 1]) for level in range(len(path))]
