"""The log of sent items, followed; it is durable, what is read of it is kept in memory."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
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
PRICE_DIGITS = 4  # behind the decimal point, in the marts


@dataclass(frozen=True)
class _Sent:
    """A row of the log beside a release: as an item that the release lacks, or the attributes that
    change; both None where the release says the same."""

    row: Row
    new: NewItem | None = None
    changed: ItemFacts | None = None


@dataclass(frozen=True)
class _Beside:
    """All rows beside a release. ``version``: of the rows. ``current``: the release with the
    changed attributes."""

    version: int
    current: OpenRelease
    sent: Mapping[str, _Sent] = field(default_factory=dict)
    new: NewItems = NONE
    changed: Mapping[str, ItemFacts] = field(default_factory=dict)


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
        self._made: dict[str, _Beside] = {}
        self._vectors: dict[str, ContentVectors] = {}

    def beside(self, opened: OpenRelease) -> NewItems:
        """The sent items that a release lacks."""
        return self._beside(opened).new

    def current(self, opened: OpenRelease) -> OpenRelease:
        """A release with the attributes that were sent since for its items."""
        return self._beside(opened).current

    def _beside(self, opened: OpenRelease) -> _Beside:
        with self._lock:
            self._catch_up()
            made = self._made.get(opened.release.id) or _Beside(0, opened)
            if made.version != self._version:
                made = self._made[opened.release.id] = self._make(opened, made)
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

    def _make(self, opened: OpenRelease, before: _Beside) -> _Beside:
        """``before``: an earlier version; only rows that came since are compared."""
        sent = dict[str, _Sent]()
        for item_id, row in self._rows.items():
            earlier = before.sent.get(item_id)
            sent[item_id] = earlier if earlier and earlier.row is row else self._sent(opened, row)
        new = [each.new for each in sent.values() if each.new]
        new.sort(key=lambda item: item.received_at, reverse=True)
        changed = {item_id: each.changed for item_id, each in sent.items() if each.changed}
        current = before.current
        if changed != before.changed:
            current = opened.with_changes(changed)
        return _Beside(self._version, current, sent, NewItems(tuple(new)), changed)

    def _sent(self, opened: OpenRelease, row: Row) -> _Sent:
        facts = _facts(row)
        published = opened.facts_as_published(row["item_id"])
        if published is not None:
            return _Sent(row, changed=None if facts == published else facts)
        release = opened.release.id
        vectors = self._vectors.get(release)
        if vectors is None:
            vectors = self._vectors[release] = ContentVectors(opened)
        vector_D = vectors.of(facts.title, facts.path)
        return _Sent(row, new=NewItem(row["item_id"], facts, row["received_at"], vector_D))


def _facts(row: Row) -> ItemFacts:
    """As the mart ``items`` will have them."""
    path = tuple(row[f"category_{level}"] for level in (1, 2, 3) if row[f"category_{level}"])
    price = None if row["price"] is None else round(float(row["price"]), PRICE_DIGITS)
    title = row["title"].strip(" ")
    return ItemFacts(title, path[0] if path else None, path, row["brand"], price)


def _trim(kept: dict[str, Any]) -> None:
    while len(kept) > MAX_OPEN:
        del kept[next(iter(kept))]


def _time(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
