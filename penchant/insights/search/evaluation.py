"""Queries made of the titles of items that users bought later: what search should have found.

Popularity, interests and earlier purchases are those before the moment that the purchases follow.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product

import numpy as np

from penchant.artifacts import Snapshot
from penchant.artifacts.search import SearchQuality
from penchant.encryption.duckdb_connection import connect
from penchant.insights.intervals import mean_interval
from penchant.insights.search.index import Matches, SearchIndex
from penchant.insights.search.ranking import (
    CANDIDATES,
    ItemFacts,
    Searcher,
    Weights,
    signals,
    vector,
)
from penchant.words import words

WINDOW = timedelta(days=28)
QUERIES, BEST = 1000, 10
GRID = {
    "popularity": (0.0, 0.1, 0.3, 1.0),
    "interest": (0.0, 0.1, 0.3, 1.0),
    "bought": (0.0, 0.3, 1.0, 3.0),
}
WAYS = {
    "text": Weights(0.0, 0.0, 0.0, 0.0),
    "text and popularity": Weights(0.3, 0.0, 0.0, 0.0),
}
"""What a shop without interests would use; the weights of all signals are selected."""


@dataclass(frozen=True)
class Query:
    """A user's query for the item of row ``target``."""

    text: str
    target: int
    searcher: Searcher


@dataclass(frozen=True)
class QuerySignals:
    """A query's matches as signals. ``target``: place of the item among them, -1 if it is not."""

    signals_N5: np.ndarray
    target: int


def popularity(snapshot: Snapshot, item_ids: tuple[str, ...], moment: datetime) -> np.ndarray:
    """popularity_I from 0 to 1: logarithm of the users who bought an item in the last 91 days."""
    with connect(snapshot.path) as connection:
        rows = connection.execute(
            f"SELECT item_id, count(DISTINCT user_id) FROM {snapshot.counted('events')} "
            "WHERE event_type = 'purchase' AND event_at < $moment::TIMESTAMP "
            "AND event_at >= $moment::TIMESTAMP - INTERVAL 91 DAY GROUP BY item_id",
            {"moment": moment},
        ).fetchall()
    buyers = dict(rows)
    counted_I = np.log1p(np.array([buyers.get(item_id, 0) for item_id in item_ids], np.float64))
    return counted_I / max(float(counted_I.max(initial=0.0)), 1.0)


def title_queries(
    snapshot: Snapshot, facts: ItemFacts, titles: list[str], moment: datetime, seed: int
) -> list[Query]:
    """One or two words of the titles of items that users bought in the 28 days after a moment."""
    row_of = {item_id: row for row, item_id in enumerate(facts.item_ids)}
    with connect(snapshot.path) as connection:
        bought = connection.execute(
            f"SELECT DISTINCT user_id, item_id FROM {snapshot.counted('events')} "
            "WHERE event_type = 'purchase' AND event_at >= $moment::TIMESTAMP "
            "AND event_at < $moment::TIMESTAMP + INTERVAL 28 DAY ORDER BY user_id, item_id",
            {"moment": moment},
        ).fetchall()
    random = np.random.default_rng(seed)
    drawn = random.permutation(len(bought))[:QUERIES]
    chosen = [bought[place] for place in sorted(drawn.tolist())]
    searchers = _searchers(snapshot, sorted({user for user, _ in chosen}), moment)
    queries = []
    for user, item in chosen:
        target = row_of.get(item)
        if target is None or not (of_title := words(titles[target])):
            continue
        size = min(len(of_title), int(random.integers(1, 3)))
        text = " ".join(str(word) for word in random.choice(of_title, size, replace=False))
        queries.append(Query(text, target, searchers.get(user, Searcher())))
    return queries


def query_signals(index: SearchIndex, facts: ItemFacts, queries: list[Query]) -> list[QuerySignals]:
    """The signals of each query's matches."""
    found = []
    for query in queries:
        matches: Matches = index.search(f"{query.text} ", CANDIDATES)
        place = np.flatnonzero(matches.items_N == query.target)
        target = int(place[0]) if len(place) else -1
        found.append(QuerySignals(signals(matches, facts, query.searcher, {}), target))
    return found


def select_weights(found: list[QuerySignals]) -> Weights:
    """Those of the grid with the greatest mean reciprocal rank."""
    tried = [Weights(*values) for values in product(*GRID.values())]
    return max(tried, key=lambda weights: float(_reciprocal_ranks(found, weights).mean()))


def quality(found: list[QuerySignals], weights: Weights) -> SearchQuality:
    """Mean reciprocal rank with its 95 % bootstrap interval over queries, and recall."""
    ranks_Q = _reciprocal_ranks(found, weights)
    return SearchQuality(mrr=mean_interval(ranks_Q), recall=float((ranks_Q > 0).mean()))


def _reciprocal_ranks(found: list[QuerySignals], weights: Weights) -> np.ndarray:
    """1 / rank of the target among the best ten, 0 where it is not among them."""
    weight_5 = vector(weights)
    ranks = np.zeros(len(found))
    for place, each in enumerate(found):
        if each.target >= 0:
            scores_N = each.signals_N5 @ weight_5
            own = scores_N[each.target]
            before = int((scores_N > own).sum() + (scores_N[: each.target] == own).sum())
            ranks[place] = 1 / (before + 1) if before < BEST else 0.0
    return ranks


def _searchers(snapshot: Snapshot, user_ids: list[str], moment: datetime) -> dict[str, Searcher]:
    """Interests and purchases of users as of a moment."""
    with connect(snapshot.path) as connection:
        bought = dict(
            connection.execute(
                "SELECT user_id, list(DISTINCT item_id) FROM read_parquet($events) "
                "WHERE event_type = 'purchase' AND event_at < $moment::TIMESTAMP "
                "AND list_contains($users, user_id) GROUP BY user_id",
                {
                    "events": str(snapshot.mart("events")),
                    "moment": moment,
                    "users": user_ids,
                },
            ).fetchall()
        )
        portraits = connection.execute(
            "SELECT user_id, interests, interest_weights FROM read_parquet($portraits) "
            "WHERE feature_at = $moment::TIMESTAMP AND list_contains($users, user_id)",
            {
                "portraits": str(snapshot.mart("user_portrait")),
                "moment": moment,
                "users": user_ids,
            },
        ).fetchall()
    interests = {user: dict(zip(paths, weights, strict=True)) for user, paths, weights in portraits}
    return {
        user: Searcher(interests.get(user, {}), frozenset(bought.get(user, ())))
        for user in user_ids
    }
