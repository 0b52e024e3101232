"""Users, items and events to look up, from the marts of the snapshot that is served.

For search and for pages about an item or a user; services read features instead.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penchant.artifacts import Snapshot
from penchant.encryption.duckdb_connection import connect
from penchant.settings import Settings
from penchant.words import FULL_WIDTH, HALF_WIDTH
from penchant.words import words as words_of

QUANTILES = [0.25, 0.5, 0.75]  # of users by purchases: light, median, heavy


@dataclass(frozen=True)
class FoundUser:
    """``bought``: items bought, with repeats."""

    user_id: str
    bought: int


@dataclass(frozen=True)
class FoundItem:
    item_id: str
    title: str
    category: str | None


@dataclass(frozen=True)
class Described:
    """An item of the catalogue. ``sold``: purchases. ``buyers``: distinct users who bought it."""

    item_id: str
    title: str
    description: str | None
    categories: tuple[str, ...]
    brand: str | None
    price: float | None
    first_seen_at: datetime | None
    sold: int
    buyers: int


@dataclass(frozen=True)
class ProposedTag:
    level: str
    tag: str


@dataclass(frozen=True)
class PastEvent:
    """An event of a user, naive UTC. ``title`` is None where the event has no item."""

    event_at: datetime
    event_type: str
    item_id: str | None
    title: str | None
    quantity: int | None
    value: float | None
    query: str | None


@dataclass(frozen=True)
class Catalogue:
    """Reads the Parquet files of one snapshot, again for each query."""

    settings: Settings
    snapshot: Snapshot

    def users(self, prefix: str, most: int) -> list[FoundUser]:
        """Users whose id starts with ``prefix``, shortest first: an exact match comes first."""
        rows = self._ask(
            """
            SELECT user_id, len(list_filter(coalesce(event_types, []), lambda each:
                each = target_event_type))
            FROM read_parquet($users) AS users
            LEFT JOIN read_parquet($sequences) AS sequences USING (user_id)
            WHERE starts_with(user_id, $prefix) ORDER BY length(user_id), user_id LIMIT $most
            """,
            ("users", "sequences"),
            prefix=prefix,
            most=most,
        )
        return [FoundUser(*row) for row in rows]

    def example_users(self) -> list[FoundUser]:
        """A light, a median and a heavy user, deterministically."""
        rows = self._ask(
            """
            WITH counted AS (
                SELECT user_id, len(list_filter(event_types, lambda each:
                    each = target_event_type)) AS items
                FROM read_parquet($sequences)
            ),
            bought AS (
                SELECT *, row_number() OVER (ORDER BY items, user_id) AS place
                FROM counted WHERE items > 0
            )
            SELECT user_id, items FROM bought WHERE place IN (
                SELECT 1 + floor(unnest($quantiles) * (max(place) - 1)) FROM bought
            ) ORDER BY place
            """,
            ("sequences",),
            quantiles=QUANTILES,
        )
        return [FoundUser(*row) for row in rows]

    def items(self, words: str, most: int) -> list[FoundItem]:
        """Items whose id starts with ``words``, or whose title has all of them, in any order, case
        and width, with or without accents; an exact id first, then the shortest titles."""
        rows = self._ask(
            """
            SELECT item_id, title, category_1 FROM read_parquet($items)
            WHERE starts_with(item_id, $asked)
                OR (len($words) > 0 AND len(list_filter($words, lambda word:
                    NOT contains(strip_accents(replace(lower(translate(title, $full, $half)),
                    'ß', 'ss')), strip_accents(word)))) = 0)
            ORDER BY item_id != $asked, NOT starts_with(item_id, $asked), length(title), title,
                item_id
            LIMIT $most
            """,
            ("items",),
            asked=words.strip(),
            words=words_of(words),
            full=FULL_WIDTH,
            half=HALF_WIDTH,
            most=most,
        )
        return [FoundItem(*row) for row in rows]

    def proposed_tags(self, item_id: str) -> list[ProposedTag]:
        """Tags that a family proposed for an item without one; usually none."""
        runs = self.settings.runs / self.snapshot.id
        if not any(runs.glob("*/proposed_tags.parquet")):
            return []
        rows = self._query(
            "SELECT DISTINCT level, tag FROM read_parquet($files) WHERE item_id = $item_id "
            "ORDER BY level, tag",
            {"files": str(runs / "*" / "proposed_tags.parquet"), "item_id": item_id},
        )
        return [ProposedTag(*row) for row in rows]

    def item(self, item_id: str) -> Described | None:
        """The item; None for an unknown one."""
        rows = self._ask(
            """
            SELECT item_id, title, description, category_1, category_2, category_3, brand, price,
                first_seen_at
            FROM read_parquet($items) WHERE item_id = $item_id
            """,
            ("items",),
            item_id=item_id,
        )
        if not rows:
            return None
        ((identity, title, description, *path, brand, price, first_seen_at),) = rows
        ((sold, buyers),) = self._ask(
            """
            SELECT count(*), count(DISTINCT user_id) FROM read_parquet($events)
            WHERE item_id = $item_id AND event_type = 'purchase'
            """,
            ("events",),
            item_id=item_id,
        )
        categories = tuple(part for part in path if part)
        return Described(
            identity, title, description, categories, brand, price, first_seen_at, sold, buyers
        )

    def events(self, user_id: str, most: int) -> list[PastEvent]:
        """A user's latest events, newest first."""
        rows = self._ask(
            """
            SELECT event_at, event_type, item_id, title, quantity, value, query
            FROM read_parquet($events) AS events
            LEFT JOIN read_parquet($items) AS items USING (item_id)
            WHERE user_id = $user_id ORDER BY event_at DESC, event_id LIMIT $most
            """,
            ("events", "items"),
            user_id=user_id,
            most=most,
        )
        return [PastEvent(*row) for row in rows]

    def _ask(self, query: str, marts: tuple[str, ...], **values: Any) -> list[tuple[Any, ...]]:
        paths = {name: str(self.snapshot.mart(name)) for name in marts}
        return self._query(query, paths | values)

    def _query(self, query: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        with connect(self.settings.home, config={"threads": self.settings.threads}) as connection:
            return connection.execute(query, values).fetchall()
