"""From a shop's own mapped files to the marts."""

import shutil
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
import yaml

from penchant.artifacts import Snapshot
from penchant.building.build import build
from penchant.ingestion.ingest import ingest
from penchant.settings import Settings

MAPPING = """
timezone: Europe/Paris
tables:
  events:
    path: orders.csv
    columns:
      event_id: [order, line]
      user_id: customer
      session_id: order
      item_id: sku
      quantity: units
      value: total
      event_at: bought
    constants: {event_type: purchase}
  items:
    path: catalogue.csv
    columns: {item_id: sku, title: name, category_1: aisle, is_merchandise: sold}
"""
ORDERS = """order,line,customer,sku,units,total,bought
1,1,ann,a,2,3.0,2024-03-01 10:00:00
1,2,ann,b,1,5.0,2024-03-01 10:00:00
2,1,bob,a,1,1.5,2024-03-02 00:30:00
2,2,bob,POST,1,0.0,2024-03-02 00:30:00
"""
CATALOGUE = """sku,name,aisle,sold
a,Apples,Fruit,true
b,Bread,Bakery,
POST,Postage,,false
"""
ANONYMOUS = "3,1,,b,1,5.0,2024-03-01 11:00:00\n"


def test_own_files_become_marts(settings: Settings, tmp_path: Path) -> None:
    users = "  users: {path: people.csv, columns: {user_id: customer, is_test: test}}\n"
    for name, text in (
        ("people.csv", "customer,test\nbob,true\nann,\n"),
        ("m.yml", MAPPING + users),
        ("orders.csv", ORDERS + ANONYMOUS),
        ("catalogue.csv", CATALOGUE),
    ):
        (tmp_path / name).write_text(text)
    landed = ingest(settings, "files", tmp_path, tmp_path / "m.yml")
    assert (len(landed.landed), len(landed.quarantined)) == (3, 0)
    shutil.rmtree(settings.landing / "files" / "user_identities")  # as in a home from before it
    report = build(settings)
    assert "users left out of training: 1 test" in report.summary()
    snapshot = Snapshot.open(settings, report.snapshot_id)

    def rows(query: str, mart: str) -> list[tuple[object, ...]]:
        return duckdb.execute(
            f"{query} from read_parquet(?)", [str(snapshot.mart(mart))]
        ).fetchall()

    assert snapshot.as_of.isoformat() == "2024-03-02T00:00:00"  # 00:30 in Paris is the day before
    users = ["ann", "bob", "session:3"]
    assert rows("select list(user_id order by user_id)", "users") == [(users,)]
    titles = ["Apples", "Bread", "Postage"]
    assert rows("select list(title order by title)", "items") == [(titles,)]
    assert rows("select sum(value), count(*)", "events") == [(14.5, 5)]
    assert rows("select count(*)", "interactions") == [(3,)]  # of ann and the guest
    assert rows("select count(*)", "sequences") == [(2,)]
    assert rows("select user_id, reason", "excluded_users") == [("bob", "test")]
    assert rows("select list(distinct item_id order by item_id)", "item_statistics") == [
        (["a", "b"],)  # not postage, which bob alone bought
    ]


@pytest.mark.long
def test_whole_table_deletes_what_it_lacks(settings: Settings, tmp_path: Path) -> None:
    """A catalogue exported anew: what it lacks is no product any more."""
    tables = yaml.safe_load(MAPPING)["tables"]
    tables["items"] = [
        {**tables["items"], "whole_table": True},
        {"path": "gifts.csv", "columns": tables["items"]["columns"]},
    ]
    (tmp_path / "m.yml").write_text(yaml.safe_dump({"tables": tables}))
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "gifts.csv").write_text("sku,name,aisle,sold\ng,Gift,Fruit,true\n")
    for day, text in enumerate((CATALOGUE, CATALOGUE.replace("a,Apples,Fruit,true\n", "")), 3):
        (tmp_path / "catalogue.csv").write_text(text)
        ingest(settings, "files", tmp_path, tmp_path / "m.yml", now=datetime(2024, 3, day))
    items = Snapshot.open(settings, build(settings).snapshot_id).mart("items")
    titles = f"select list(title order by title) from '{items}'"
    expected = ["Bread", "Gift", "Postage", "Unknown product a"]
    assert duckdb.execute(titles).fetchall() == [(expected,)]


@pytest.mark.long
def test_events_without_a_catalogue_and_a_correction(settings: Settings, tmp_path: Path) -> None:
    """Items are merchandise without a catalogue, and what landed later wins whatever its name."""
    mapping = {"events": yaml.safe_load(MAPPING)["tables"]["events"] | {"path": "*orders.csv"}}
    (tmp_path / "m.yml").write_text(yaml.safe_dump({"tables": mapping}))
    (tmp_path / "orders.csv").write_text(ORDERS)
    first = ingest(settings, "files", tmp_path, tmp_path / "m.yml", now=datetime(2024, 3, 3))
    assert first.summary().startswith("landed 1, unchanged 0, quarantined 0; no catalogue")
    (tmp_path / "corrected-orders.csv").write_text(ORDERS.replace("2,3.0", "2,4.0"))
    ingest(settings, "files", tmp_path, tmp_path / "m.yml", now=datetime(2024, 3, 4))
    snapshot = Snapshot.open(settings, build(settings).snapshot_id)
    marts = {name: str(snapshot.mart(name)) for name in ("events", "items", "interactions")}
    assert duckdb.execute(f"select sum(value) from '{marts['events']}'").fetchall() == [(10.5,)]
    titles = f"select list(title order by title) from '{marts['items']}'"
    assert duckdb.execute(titles).fetchall() == [(["POST", "a", "b"],)]
    assert duckdb.execute(f"select count(*) from '{marts['interactions']}'").fetchall() == [(4,)]
