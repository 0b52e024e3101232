"""The newest search index, as the API server reads it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from penchant.artifacts.search import CATALOGUE, LEARNED, SearchRecord
from penchant.encryption import parquet as pq
from penchant.insights.search.index import Matches, SearchIndex
from penchant.insights.search.learned import query_key
from penchant.insights.search.ranking import (
    CANDIDATES,
    NOBODY,
    ItemFacts,
    Searcher,
    Weights,
    ranked,
)
from penchant.settings import Settings

ALL, SOME, LEARNED_ONLY, NONE = "all words", "some words", "searches", "popular"


@dataclass(frozen=True)
class FoundItem:
    """``category``: the deepest path."""

    item_id: str
    title: str
    category: str | None
    score: float


@dataclass(frozen=True)
class Answer:
    """``matched``: what the items have in common with the query. ``corrected``: words that were
    replaced, by what they were written as."""

    snapshot_id: str
    matched: str
    corrected: dict[str, str]
    personalized: bool
    items: tuple[FoundItem, ...]


class PublishedSearch:
    """One index, in memory. Immutable; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self.record = SearchRecord.read(folder / "search.json")
        table = pq.read_table(folder / CATALOGUE)
        self.titles: list[str] = table["title"].to_pylist()
        self._facts = ItemFacts(
            tuple(table["item_id"].to_pylist()),
            tuple(tuple(paths) for paths in table["paths"].to_pylist()),
            table["popularity"].to_numpy(),
        )
        self._index = SearchIndex.open(folder, self.record.items)
        self._weights = Weights(**self.record.weights)
        self._popular_N = np.argsort(-self._facts.popularity_I, kind="stable")[:CANDIDATES]
        self._learned = self._read_learned(folder)

    def some_paths(self, most: int) -> list[str]:
        """Different category paths, of the items in the order of their ids."""
        every = dict.fromkeys(path for paths in self._facts.paths for path in paths)
        return list(every)[:most]

    def search(self, query: str, k: int, searcher: Searcher = NOBODY) -> Answer:
        """The ``k`` best items. Where no text matches: what users acted on after this search, else
        popular items in the order of the user's interests."""
        learned = self._learned.get(query_key(query), {})
        matches, matched = self._index.search(query, CANDIDATES), SOME
        if matches.complete:
            matched = ALL
        if not len(matches.items_N):
            matched = LEARNED_ONLY if learned else NONE
            rows_N = np.array(list(learned), np.int64) if learned else self._popular_N
            zero_N = np.zeros(len(rows_N), np.float32)
            matches = Matches(rows_N, zero_N, False, matches.corrected)
        found = ranked(matches, self._facts, searcher, self._weights, learned)
        rows = zip(found.items_N[:k].tolist(), found.scores_N[:k].tolist(), strict=True)
        return Answer(
            self.record.snapshot_id,
            matched,
            matches.corrected,
            searcher.known,
            tuple(self._item(row, score) for row, score in rows),
        )

    def _item(self, row: int, score: float) -> FoundItem:
        paths = self._facts.paths[row]
        return FoundItem(
            self._facts.item_ids[row], self.titles[row], paths[-1] if paths else None, score
        )

    def _read_learned(self, folder: Path) -> Mapping[str, dict[int, float]]:
        """By query key: how much each item was acted on, from 0 to 1."""
        row_of = {item_id: row for row, item_id in enumerate(self._facts.item_ids)}
        users: defaultdict[str, dict[int, float]] = defaultdict(dict)
        for each in pq.read_table(folder / LEARNED).to_pylist():
            users[each["query"]][row_of[each["item_id"]]] = float(np.log1p(each["users"]))
        return {
            query: {row: value / max(counts.values()) for row, value in counts.items()}
            for query, counts in users.items()
        }


def published_search(settings: Settings) -> PublishedSearch:
    """Raises NothingToDo until an index is made."""
    return _opened(SearchRecord.published_folder(settings))


@lru_cache(2)
def _opened(folder: Path) -> PublishedSearch:
    return PublishedSearch(folder)
