"""The log of sent items, followed; it is durable, what is read of it is kept in memory."""

import threading
from datetime import datetime
from typing import Any

from penchant.releases.item_attributes import ItemFacts
from penchant.releases.opened import OpenRelease
from penchant.serving.fresh_events.log_tail import LogTail, Row
from penchant.serving.new_items.content_vectors import ContentVectors
from penchant.serving.recommending.new_items import NONE, NewItem, NewItems
from penchant.settings import Settings

TABLE = "items"
MAX_ITEMS = 10_000  # the latest that are kept
MAX_OPEN = 3  # releases, as many as publishing keeps


class NewItemLog:
    """Follows the log of sent items. Safe to share between threads.

    An item that one server acknowledged is known to the others at their next ``beside``. Landed
    items are read again at a start: those that arrived after the end of a snapshot are not in it.
    """

    def __init__(self, settings: Settings) -> None:
        self._lock = threading.Lock()
        self._tail = LogTail(settings, "", TABLE)
        self._rows: dict[str, Row] = {}
        self._version = 0
        self._made: dict[str, tuple[int, NewItems]] = {}
        self._vectors: dict[str, ContentVectors] = {}

    def beside(self, opened: OpenRelease) -> NewItems:
        """The sent items that a release lacks."""
        with self._lock:
            self._catch_up()
            if not self._rows:
                return NONE
            version, made = self._made.get(opened.release.id, (-1, NONE))
            if version != self._version:
                made = self._make(opened)
                self._made[opened.release.id] = self._version, made
                _trim(self._made)
                _trim(self._vectors)
            return made

    def _catch_up(self) -> None:
        for row, _ in self._tail.new():
            row = row | {"received_at": _time(row["received_at"])}
            known = self._rows.pop(row["item_id"], row)
            last = row if row["received_at"] >= known["received_at"] else known  # as in the marts
            self._rows[row["item_id"]] = last
            self._version += 1
        while len(self._rows) > MAX_ITEMS:
            del self._rows[next(iter(self._rows))]

    def _make(self, opened: OpenRelease) -> NewItems:
        rows = [
            row for item_id, row in self._rows.items() if opened.facts.position(item_id) is None
        ]
        if not rows:
            return NONE
        vectors = self._vectors.get(opened.release.id)
        if vectors is None:
            vectors = self._vectors[opened.release.id] = ContentVectors(opened)
        rows.sort(key=lambda row: row["received_at"], reverse=True)
        return NewItems(tuple(_new_item(row, vectors) for row in rows))


def _new_item(row: Row, vectors: ContentVectors) -> NewItem:
    path = tuple(row[f"category_{level}"] for level in (1, 2, 3) if row[f"category_{level}"])
    facts = ItemFacts(row["title"], path[0] if path else None, path, row["brand"], row["price"])
    return NewItem(row["item_id"], facts, row["received_at"], vectors.of(row["title"], path))


def _trim(kept: dict[str, Any]) -> None:
    while len(kept) > MAX_OPEN:
        del kept[next(iter(kept))]


def _time(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
