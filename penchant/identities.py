"""Which ids of several sources are one person or product.

A release has the snapshot's mart ``identities`` as a file, where tables of identities have landed.
Ids are as the home holds them: of users pseudonyms, and an id of a named source with its name
before it, ``pos:17``.
"""

import json
import shutil
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from penchant.artifacts import Snapshot
from penchant.encryption.duckdb_connection import connect, scanned
from penchant.settings import Settings

FILE = "identities.parquet"
COLUMNS = ["kind", "id", "subject"]
SAME_PEOPLE = """
    WITH RECURSIVE linked AS (
        FROM parquet_scan($files, union_by_name := true, filename := true)
        QUALIFY row_number() OVER (
            PARTITION BY user_id ORDER BY list_position($files, filename) DESC
        ) = 1
    ),
    both_ways AS (
        SELECT user_id AS one, subject AS other FROM linked
        UNION ALL SELECT subject, user_id FROM linked
    ),
    people AS (
        SELECT unnest($ids) AS id
        UNION SELECT other FROM people JOIN both_ways ON people.id = both_ways.one
    )
    FROM people ORDER BY id
"""


@dataclass(frozen=True)
class Links:
    """``users`` and ``items``: linked id -> subject."""

    users: dict[str, str] = field(default_factory=dict)
    items: dict[str, str] = field(default_factory=dict)

    def user(self, user_id: str) -> str:
        """The subject of a user's id; an id without a link is its own."""
        return self.users.get(user_id, user_id)

    def item(self, item_id: str) -> str:
        """The subject of an item's id; an id without a link is its own."""
        return self.items.get(item_id, item_id)

    @cached_property
    def items_of_source(self) -> dict[str, dict[str, str]]:
        """Name of a source -> subject of an item -> its id there; of several the first."""
        found: dict[str, dict[str, str]] = {}
        for id_, subject in sorted(self.items.items()):
            if (source := source_of(id_)) is not None:
                found.setdefault(source, {}).setdefault(subject, id_)
        return found

    def __bool__(self) -> bool:
        return bool(self.users or self.items)


def source_of(id_: str) -> str | None:
    """The name before an id's colon, also of a guest's, ``session:pos:17``; None without one."""
    name, colon, _ = id_.removeprefix("session:").partition(":")
    return name if colon else None


class Identities:
    """The links of the live release. Safe to share between threads; follows the pointer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._live: tuple[str | None, Links] = (None, Links())

    def current(self) -> Links:
        """The links of the live release; none where there is no release."""
        live = self._settings.live_release.current()
        if live != self._live[0]:
            with self._lock:
                if live != self._live[0]:
                    self._live = live, self._read(live)
        return self._live[1]

    def _read(self, release_id: str | None) -> Links:
        if release_id is None:
            return Links()
        file = self._settings.releases / release_id / FILE
        if not file.exists():
            return Links()
        from penchant.encryption import parquet as pq  # imports PyArrow; a landing has no use of it

        kinds, ids, subjects = (
            column.to_pylist() for column in pq.read_table(file).select(COLUMNS).columns
        )
        links = Links()
        for kind, id_, subject in zip(kinds, ids, subjects, strict=True):
            (links.users if kind == "user" else links.items)[id_] = subject
        return links


def linked(settings: Settings, user_ids: Iterable[str]) -> list[str]:
    """The ids, as landed rows have them, and those of the same people in other sources."""
    found = list(user_ids)
    files = _current_files(settings.landing / "files" / "user_identities")
    if not files:
        return found
    with connect(settings.home) as connection:
        others = connection.execute(SAME_PEOPLE, {"files": files, "ids": found}).fetchall()
    return list(dict.fromkeys([*found, *(row[0] for row in others)]))


def _current_files(table: Path) -> list[str]:
    """The landed files, without those that a later one replaced as a whole; the last one wins."""
    batches = {path: json.loads(path.read_text()) for path in table.glob("*/batch.json")}
    order = ("landed_at", "original_name", "sha256")
    ordered = sorted(batches, key=lambda path: [batches[path][name] for name in order])
    last = {
        batches[path]["mapped_by"]: place
        for place, path in enumerate(ordered)
        if batches[path].get("whole_table")
    }
    return [
        scanned(path.with_name("data.parquet"))
        for place, path in enumerate(ordered)
        if place >= last.get(batches[path].get("mapped_by"), 0)
    ]


def write_identities(staging: Path, snapshot: Snapshot) -> None:
    """Put a snapshot's links, if it has any, into a release."""
    if snapshot.mart("identities").is_file():
        shutil.copyfile(snapshot.mart("identities"), staging / FILE)
