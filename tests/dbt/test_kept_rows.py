"""Builds that keep rows of the build before equal full builds, whatever lands in between."""

import random
import shutil
import signal
import subprocess
import sys
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

USERS, ITEMS, DAYS = 24, 15, 70
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
  campaigns:
    path: campaigns_*.parquet
    columns: {campaign_id: campaign_id, item_id: item_id, kind: kind, starts_on: starts_on,
              ends_on: ends_on}
  impressions:
    path: impressions_*.parquet
    columns: {impression_id: impression_id, user_id: user_id, ad_id: ad_id, shown_at: shown_at,
              converted: converted}
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
        self.campaigns()
        self.mailings()
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

    def ends_earlier(self) -> None:
        """The files again without what is after the day 45: the end of the data moves back, before
        a time of the grid of feature times."""
        self.day = 45
        end = FIRST + timedelta(days=self.day)
        for name, events in list(self.files.items()):
            if any(event["event_at"] >= end for event in events):
                self.land(name, [event for event in events if event["event_at"] < end])
        self.mailings()

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

    def campaigns(self) -> None:
        """Campaigns of two weeks, all of them planned from the start."""
        campaigns = [
            {
                "campaign_id": f"c{number}",
                "item_id": f"i{item}",
                "kind": "mail",
                "starts_on": FIRST + timedelta(days=20 * number + 5),
                "ends_on": FIRST + timedelta(days=20 * number + 18),
            }
            for number in range(6)
            for item in (number, number + 3)
        ]
        pq.write_table(pa.Table.from_pylist(campaigns), self.folder / "campaigns_all.parquet")

    def mailings(self) -> None:
        """Those up to now, to two thirds of the users; some of the answers differ from before."""
        mailings = [
            {
                "impression_id": f"m{number}-{user}",
                "user_id": f"u{user}",
                "ad_id": f"c{number}",
                "shown_at": FIRST + timedelta(days=20 * number + 6),
                "converted": self.random.random() < 0.3,
            }
            for number in range(6)
            for user in range(USERS)
            if (number + user) % 3 and 20 * number + 6 < self.day
        ]
        pq.write_table(pa.Table.from_pylist(mailings), self.folder / "impressions_all.parquet")

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


def rows_of(settings: Settings, snapshot_id: str) -> dict[str, pa.Table]:
    """The rows of each mart in their order, and the number of rows of every other table.

    Without the time at which a file landed: of a kept row it is that of its first file.
    """
    snapshot = Snapshot.open(settings, snapshot_id)
    tables = {mart: pq.read_table(snapshot.mart(mart)) for mart in snapshot.description.marts}
    tables["events"] = tables["events"].drop_columns("ingested_at")
    # whether a column may be null is no part of its rows
    found = {
        mart: pa.table(dict(zip(t.column_names, t.columns, strict=True)))
        for mart, t in tables.items()
    }
    with duckdb.connect(str(settings.warehouse), read_only=True) as connection:
        tables = connection.execute("select table_name from duckdb_tables()").fetchall()
        for (name,) in tables:
            if name in ("int_changed_users", "int_changed_sessions"):
                continue  # those since the previous build
            counted = connection.sql(f"select count(*) as rows from {name}")
            found[f"rows of {name}"] = counted.to_arrow_table()
    return found


def differing(kept: Settings, whole: Settings, snapshot_id: str) -> list[str]:
    """What differs from a full build of the same landing."""
    shutil.rmtree(whole.home, ignore_errors=True)
    shutil.copytree(kept.landing, whole.landing)
    assert build(whole).snapshot_id == snapshot_id
    ours, full = rows_of(kept, snapshot_id), rows_of(whole, snapshot_id)
    assert ours.keys() == full.keys()
    return [mart for mart in full if not ours[mart].equals(full[mart])]


KILLED = """
import os, signal, sys
from pathlib import Path
from penchant.building import kept_build
from penchant.building.build import build
from penchant.settings import Settings

write_parts = kept_build._Build._parts

def killed(*arguments):
    write_parts(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

kept_build._Build._parts = killed
build(Settings(_env_file=None, home=Path(sys.argv[1])))
"""


def kill_a_build(settings: Settings) -> None:
    """Kill a build that keeps rows when it has written its first mart in parts."""
    command = [sys.executable, "-c", KILLED, str(settings.home)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL


@pytest.mark.long
def test_builds_after_any_landings_equal_a_full_one(settings: Settings, tmp_path: Path) -> None:
    shop = RandomShop(tmp_path / "shop", seed=1)
    whole = settings.model_copy(update={"home": tmp_path / "whole"})
    land(settings, shop)
    before = build(settings).snapshot_id
    arrivals: list[Callable[[], None]] = [
        *(shop.ordinary, shop.late, shop.duplicate, shop.superseding),
        *(shop.removed, shop.empty, shop.catalogue, shop.users, shop.mailings),
    ]
    shop.random.shuffle(arrivals)
    arrivals += [shop.bot, shop.ends_earlier]
    for number, arrive in enumerate(arrivals, start=1):
        arrive()
        land(settings, shop)
        if number == 2:
            kill_a_build(settings)
        snapshot_id = build(settings).snapshot_id
        described = Snapshot.open(settings, snapshot_id).description
        assert described.previous == before, f"{arrive.__name__} kept no rows"
        before = snapshot_id
        if number >= len(arrivals) - 1 or number == 4:
            landed = [each.__name__ for each in arrivals[:number]]
            assert (differing(settings, whole, snapshot_id), landed) == ([], landed)
