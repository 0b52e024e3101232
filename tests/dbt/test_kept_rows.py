"""Builds that keep rows of the build before equal full builds, whatever lands in between."""

import random
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penchant.artifacts import Snapshot
from penchant.building.build import build
from penchant.ingestion.ingest import ingest
from penchant.settings import Settings

USERS, ITEMS, DAYS = 12, 15, 70
FIRST = datetime(2024, 1, 1)
NOW = datetime(2025, 1, 1)
MAPPING = """\
tables:
  users:
    path: users_*.parquet
    columns: {user_id: user_id, first_seen_at: first_seen_at, is_test: is_test}
  items:
    path: items_*.parquet
    columns: {item_id: item_id, title: title, category_1: category_1, category_2: category_2,
              category_3: category_3, brand: brand, price: price}
  events:
    path: events_*.parquet
    columns: {event_id: event_id, user_id: user_id, session_id: session_id, item_id: item_id,
              event_type: event_type, quantity: quantity, value: value, event_at: event_at}
"""
EVENTS = pa.schema(
    [
        *((name, pa.string()) for name in ("event_id", "user_id", "session_id", "item_id")),
        ("event_type", pa.string()),
        ("quantity", pa.int64()),
        ("value", pa.float64()),
        ("event_at", pa.timestamp("us")),
    ]
)
Event = dict[str, Any]


class RandomShop:
    """Files of a shop whose days, mistakes and corrections land in a random order."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.files: dict[str, list[Event]] = {}
        self.day, self.events = DAYS, 0
        folder.mkdir()
        (folder / "mapping.yml").write_text(MAPPING)
        self.catalogue()
        self.users()
        self.land("history", [e for day in range(DAYS) for e in self.events_of(day)])

    def events_of(self, day: int) -> list[Event]:
        return [self.event(day) for _ in range(self.random.randint(8, 14))]

    def event(self, day: int) -> Event:
        self.events += 1
        user = f"u{self.random.randrange(USERS)}"
        kind = self.random.choices(["view", "cart", "purchase", "return"], [3, 1, 5, 1])[0]
        amount = self.random.randint(1, 3)
        return {
            "event_id": f"e{self.events}",
            "user_id": user,
            "session_id": f"{user}-{day}",
            "item_id": f"i{self.random.randrange(ITEMS)}",
            "event_type": kind,
            "quantity": -amount if kind == "return" else amount,
            "value": float(-amount if kind == "return" else amount),
            "event_at": FIRST + timedelta(days=day, minutes=self.random.randrange(1440)),
        }

    def land(self, name: str, events: list[Event]) -> None:
        self.files[name] = events
        table = pa.Table.from_pylist(events, EVENTS)
        pq.write_table(table, self.folder / f"events_{name}.parquet")

    def ordinary(self) -> None:
        self.land(f"day{self.day}", self.events_of(self.day))
        self.day += 1

    def late(self) -> None:
        """Events of an earlier day, a third of the time of a day long ago."""
        back = self.random.choice([1, 2, 50])
        self.land(f"late{self.events}", self.events_of(self.day - back))

    def duplicate(self) -> None:
        """Some events again under another name."""
        events = self.random.choice(list(self.files.values()))
        self.land(f"again{self.events}", events[:3])
        self.ordinary()

    def superseding(self) -> None:
        """Events of the last file with another time and item."""
        last = list(self.files.values())[-1]
        moved = [
            event
            | {
                "item_id": f"i{self.random.randrange(ITEMS)}",
                "event_at": event["event_at"] - timedelta(days=self.random.randrange(40)),
            }
            for event in last[:4]
        ]
        self.land(f"superseding{self.events}", moved)
        self.ordinary()

    def removed(self) -> None:
        """A file again without half of its events."""
        name = self.random.choice([name for name, events in self.files.items() if events])
        self.land(name, self.files[name][::2])

    def bot(self) -> None:
        """A user with earlier purchases looks at more in an hour than a person."""
        found = self.event(self.day)
        views = [
            found | {"event_id": f"b{self.events}-{at}", "event_type": "view"} for at in range(601)
        ]
        self.land(f"bot{self.events}", views)
        self.ordinary()

    def empty(self) -> None:
        """A day without events, then one with some."""
        self.land(f"day{self.day}", [])
        self.day += 1
        self.ordinary()

    def catalogue(self) -> None:
        """Each item's categories; some differ from those of the catalogue before."""
        items = [
            {
                "item_id": f"i{number}",
                "title": f"Item {number}",
                "category_1": f"Department {number % 2}",
                "category_2": f"Category {self.random.randrange(3) if number < 3 else number % 4}",
                "category_3": f"Leaf {number % 6}",
                "brand": f"Brand {number % 3}",
                "price": 1.0,
            }
            for number in range(ITEMS - 1)  # one item is in no catalogue
        ]
        pq.write_table(pa.Table.from_pylist(items), self.folder / "items_all.parquet")

    def users(self) -> None:
        """One of the users is a test."""
        test = self.random.randrange(USERS)
        users = [
            {"user_id": f"u{number}", "first_seen_at": FIRST, "is_test": number == test}
            for number in range(USERS)
        ]
        pq.write_table(pa.Table.from_pylist(users), self.folder / "users_all.parquet")


def land(settings: Settings, shop: RandomShop) -> None:
    ingest(settings, "files", shop.folder, shop.folder / "mapping.yml", now=NOW)


def built(settings: Settings, full_refresh: bool = False) -> dict[str, pa.Table]:
    """The rows of each mart in their order, and the number of rows of every other table."""
    snapshot = Snapshot.open(settings, build(settings, full_refresh).snapshot_id)
    found = {mart: pq.read_table(snapshot.mart(mart)) for mart in snapshot.description.marts}
    with duckdb.connect(str(settings.warehouse), read_only=True) as connection:
        tables = connection.execute("select table_name from duckdb_tables()").fetchall()
        for (name,) in tables:
            if name == "int_changed_users":
                continue  # those since the previous build
            counted = connection.sql(f"select count(*) as rows from {name}")
            found[f"rows of {name}"] = counted.to_arrow_table()
    return found


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_a_build_after_any_landing_equals_a_full_one(
    settings: Settings, tmp_path: Path, seed: int
) -> None:
    shop = RandomShop(tmp_path / "shop", seed)
    whole = settings.model_copy(update={"home": tmp_path / "whole"})
    land(settings, shop)
    build(settings)
    arrivals: list[Callable[[], None]] = [
        *(shop.ordinary, shop.late, shop.duplicate, shop.superseding),
        *(shop.removed, shop.empty, shop.catalogue, shop.users),
    ]
    shop.random.shuffle(arrivals)
    for arrive in [*arrivals[:5], shop.bot]:
        arrive()
        land(settings, shop)
        kept = built(settings)
        shutil.rmtree(whole.landing, ignore_errors=True)
        shutil.copytree(settings.landing, whole.landing)
        full = built(whole, full_refresh=True)
        differing = [mart for mart in full if not kept[mart].equals(full[mart])]
        assert (kept.keys(), differing) == (full.keys(), []), f"{seed}: {arrive.__name__}"
