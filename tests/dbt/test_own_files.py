"""From a shop's own mapped files to the marts."""

from pathlib import Path

import duckdb

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
    columns: {item_id: sku, title: name, category_1: aisle}
"""
ORDERS = """order,line,customer,sku,units,total,bought
1,1,ann,a,2,3.0,2024-03-01 10:00:00
1,2,ann,b,1,5.0,2024-03-01 10:00:00
2,1,bob,a,1,1.5,2024-03-02 00:30:00
"""
CATALOGUE = """sku,name,aisle
a,Apples,Fruit
b,Bread,Bakery
"""


def test_own_files_become_marts(settings: Settings, tmp_path: Path) -> None:
    for name, text in (("m.yml", MAPPING), ("orders.csv", ORDERS), ("catalogue.csv", CATALOGUE)):
        (tmp_path / name).write_text(text)
    landed = ingest(settings, "files", tmp_path, tmp_path / "m.yml")
    assert (len(landed.landed), len(landed.quarantined)) == (2, 0)
    snapshot = Snapshot.open(settings, build(settings).snapshot_id)

    def rows(query: str, mart: str) -> list[tuple[object, ...]]:
        return duckdb.execute(
            f"{query} from read_parquet(?)", [str(snapshot.mart(mart))]
        ).fetchall()

    assert snapshot.as_of.isoformat() == "2024-03-02T00:00:00"  # 00:30 in Paris is the day before
    assert rows("select list(user_id order by user_id)", "users") == [(["ann", "bob"],)]
    assert rows("select list(title order by title)", "items") == [(["Apples", "Bread"],)]
    assert rows("select sum(value), count(*)", "events") == [(9.5, 3)]
    assert rows("select count(*)", "sequences") == [(2,)]
