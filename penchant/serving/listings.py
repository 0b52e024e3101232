"""Lists that are the same for everybody: popular, latest and trending items, by category.

Popular is the release's popularity prior. Latest and trending are computed once for each release,
from its snapshot. An item trends if more users acted on it in the last week than in an average week
of the four before: the score is the excess in standard deviations of a Poisson count, so that one
user's repeated events count once and rare items need a clear excess.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any, Literal

import numpy as np

from penchant.artifacts import Snapshot
from penchant.encryption.duckdb_connection import connect
from penchant.releases.item_arrays import FloatArray64, IntArray, Items
from penchant.releases.opened import OpenRelease
from penchant.serving.recommending.new_items import NewItems, is_within
from penchant.settings import Settings

ListingName = Literal["popular", "latest", "trending"]
RECENT = timedelta(days=7)
BEFORE = timedelta(days=28)
MAX_OPEN = 3  # releases, as many as publishing keeps


@dataclass(frozen=True)
class ListedItem:
    """``score`` compares only within one list."""

    item_id: str
    title: str
    category: str | None
    price: float | None
    score: float


@dataclass(frozen=True)
class Listing:
    """Items, best first."""

    release_id: str
    snapshot_id: str
    items: tuple[ListedItem, ...]


@dataclass(frozen=True)
class _Order:
    items_N: IntArray
    scores_N: FloatArray64


class Listings:
    """Safe to share between threads. Each order is computed when first asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._orders: dict[tuple[str, str], _Order] = {}
        self._lock = threading.Lock()

    def top(
        self, opened: OpenRelease, name: ListingName, k: int, category: str | None, new: NewItems
    ) -> Listing:
        """The first ``k`` items of a list within a category path; of ``new``, the latest too.

        Raises UsageError for a category that no item is in."""
        items = opened.items
        order = self._order(opened, items, name)
        places = np.arange(len(order.items_N))
        if category is not None:
            places = np.flatnonzero(items.within(category)[order.items_N])
        places = places[:k]
        scored = list(
            zip(
                items.ids.names(order.items_N[places]),
                order.scores_N[places].tolist(),
                strict=True,
            )
        )
        if name == "latest":
            sent = [each for each in new.items if is_within(each.facts.path, category)]
            times = [each.received_at.replace(tzinfo=UTC).timestamp() for each in sent]
            scored = [*zip((each.item_id for each in sent), times, strict=True), *scored][:k]
        ids = [item_id for item_id, _ in scored]
        release = opened.release
        return Listing(
            release.id,
            release.snapshot_id,
            tuple(
                ListedItem(item_id, fact.title, fact.category, fact.price, score)
                for (item_id, score), fact in zip(scored, new.facts_of(opened, ids), strict=True)
            ),
        )

    def _order(self, opened: OpenRelease, items: Items, name: ListingName) -> _Order:
        if name == "popular":
            return _Order(items.prior_items_N, items.prior_scores_N)
        key = opened.release.id, name
        with self._lock:
            if key not in self._orders:
                query = _latest if name == "latest" else _trending
                snapshot = Snapshot.open(self._settings, opened.release.snapshot_id)
                self._orders[key] = _order(items, self._rows(query, snapshot))
                while len(self._orders) > 2 * MAX_OPEN:
                    del self._orders[next(iter(self._orders))]
            return self._orders[key]

    def _rows(
        self, query: Callable[[Snapshot], tuple[str, dict[str, Any]]], snapshot: Snapshot
    ) -> list[tuple[str, float]]:
        text, values = query(snapshot)
        with connect(self._settings.home, config={"threads": self._settings.threads}) as connection:
            return connection.execute(text, values).fetchall()


def _order(items: Items, rows: list[tuple[str, float]]) -> _Order:
    rows_N = items.ids.rows([item_id for item_id, _ in rows])
    scores_N = np.array([score for _, score in rows], np.float64)
    return _Order(rows_N[rows_N >= 0], scores_N[rows_N >= 0])


def _latest(snapshot: Snapshot) -> tuple[str, dict[str, Any]]:
    """Items by the time they were first seen, newest first; the score is that time in Unix
    seconds."""
    return (
        """
        SELECT item_id, epoch(first_seen_at) AS score FROM read_parquet($items)
        ORDER BY score DESC, item_id
        """,
        {"items": str(snapshot.mart("items"))},
    )


def _trending(snapshot: Snapshot) -> tuple[str, dict[str, Any]]:
    return (
        f"""
        WITH counted AS (
            SELECT item_id,
                count(DISTINCT user_id) FILTER (WHERE event_at >= $recent) AS recent,
                count(DISTINCT user_id) FILTER (WHERE event_at < $recent) * $share AS expected
            FROM {snapshot.counted("events")}
            WHERE item_id IS NOT NULL AND event_type != 'return' AND event_at >= $before
            GROUP BY item_id
        )
        SELECT item_id, (recent - expected) / sqrt(expected + 1) AS score FROM counted
        WHERE recent > expected ORDER BY score DESC, item_id
        """,
        {
            "recent": snapshot.as_of - RECENT,
            "before": snapshot.as_of - RECENT - BEFORE,
            "share": RECENT / BEFORE,
        },
    )
