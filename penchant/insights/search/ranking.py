"""The order of what matches: text first, then what sells, what the user is interested in and what
they have bought before, then what users acted on after the same search."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from penchant.insights.search.index import Matches

SEPARATOR = " > "  # of a category path
CANDIDATES = 200  # matches that are ranked


@dataclass(frozen=True)
class Weights:
    """What each signal counts beside the text's 1; all signals are from 0 to 1."""

    popularity: float = 0.1
    interest: float = 0.3
    bought: float = 0.3
    learned: float = 1.0


@dataclass(frozen=True)
class Searcher:
    """The user of a search: weights of interests by category path, and items bought."""

    interests: Mapping[str, float] = field(default_factory=dict)
    bought: frozenset[str] = frozenset()

    @property
    def known(self) -> bool:
        return bool(self.interests or self.bought)


NOBODY = Searcher()


@dataclass(frozen=True)
class RankedItems:
    """``items_N``: rows of the items, best first."""

    items_N: npt.NDArray[np.int64]
    scores_N: npt.NDArray[np.float64]


@dataclass(frozen=True)
class ItemFacts:
    """What ranking reads of all items. ``popularity_I``: from 0 to 1."""

    item_ids: tuple[str, ...]
    paths: tuple[tuple[str, ...], ...]
    popularity_I: npt.NDArray[np.float64]


def signals(
    matches: Matches, facts: ItemFacts, searcher: Searcher, learned: Mapping[int, float]
) -> npt.NDArray[np.float64]:
    """signals_N5: text, popularity, interest, bought, learned of each match."""
    items_N = matches.items_N
    strongest = max(float(matches.scores_N.max(initial=0.0)), 1e-9)
    greatest = max(searcher.interests.values(), default=0.0) or 1.0
    interest_N = [
        max((searcher.interests.get(path, 0.0) for path in facts.paths[item]), default=0.0)
        for item in items_N.tolist()
    ]
    bought_N = [facts.item_ids[item] in searcher.bought for item in items_N.tolist()]
    return np.column_stack(
        [
            matches.scores_N / strongest,
            facts.popularity_I[items_N],
            np.array(interest_N) / greatest,
            np.array(bought_N, np.float64),
            np.array([learned.get(item, 0.0) for item in items_N.tolist()]),
        ]
    )


def ranked(
    matches: Matches,
    facts: ItemFacts,
    searcher: Searcher,
    weights: Weights,
    learned: Mapping[int, float],
) -> RankedItems:
    """The matches by the weighted sum of their signals; ties by text, then by item."""
    if not len(matches.items_N):
        return RankedItems(matches.items_N, np.zeros(0))
    scores_N = signals(matches, facts, searcher, learned) @ vector(weights)
    order = np.argsort(-scores_N, kind="stable")
    return RankedItems(matches.items_N[order], scores_N[order])


def vector(weights: Weights) -> npt.NDArray[np.float64]:
    """The weights in the order of ``signals``."""
    return np.array([1.0, weights.popularity, weights.interest, weights.bought, weights.learned])


def paths_of(levels: tuple[str | None, ...]) -> tuple[str, ...]:
    """The category paths that an item is in, the widest first."""
    known = [level for level in levels if level]
    return tuple(SEPARATOR.join(known[: depth + 1]) for depth in range(len(known)))
