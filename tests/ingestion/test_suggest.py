"""Drafted mappings land the files of shops with different quirks."""

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from own_files import NOW

from penchant.errors import UsageError
from penchant.ingestion.ingest import ingest
from penchant.ingestion.suggest import suggest
from penchant.settings import Settings

ORDERS = """Bestellung;Kunde;SKU;Menge;Umsatz;Datum
1;ann;a;2;1.003,50;31.01.2024 10:00
1;ann;b;1;5,00;31.01.2024 10:00
2;bob;a;1;1,50;01.02.2024 11:30
"""
CATALOGUE = """SKU\tBezeichnung\tPreis\tGruppe
a\tÄpfel\t1.5\tObst
b\tBrot\t5\tBrot
"""
TAOBAO = (
    "1,2268318,2520377,pv,1511544070\n1,2333346,2520771,buy,1511561733\n2,7,8,poke,1511561734\n"
)


def drafted(settings: Settings, folder: Path, **files: bytes) -> tuple[str, list[tuple[Any, ...]]]:
    """The drafted mapping, and the events that land with it."""
    paths = [folder / name.replace("__", ".") for name in files]
    for path, content in zip(paths, files.values(), strict=True):
        path.write_bytes(content)
    text = suggest(paths)
    (folder / "m.yml").write_text(text)
    report = ingest(settings, "files", mapping=folder / "m.yml", now=NOW)
    assert report.quarantined == [], text
    batches = settings.landing / "files" / "events" / "*" / "data.parquet"
    columns = "user_id, session_id, item_id, event_type, quantity, value, event_at"
    query = f"SELECT {columns} FROM '{batches}' ORDER BY event_at, item_id"
    return text, duckdb.execute(query).fetchall()


def test_german_orders_and_their_catalogue(settings: Settings, tmp_path: Path) -> None:
    text, rows = drafted(
        settings, tmp_path, orders__csv=ORDERS.encode("cp1252"), c__tsv=CATALOGUE.encode("cp1252")
    )
    assert rows[0] == ("ann", "1", "a", "purchase", 2, 1003.5, datetime(2024, 1, 31, 10))
    assert rows[2][0] == "bob"
    items = settings.landing / "files" / "items" / "*" / "data.parquet"
    titles = duckdb.execute(f"SELECT title, price FROM '{items}' ORDER BY item_id").fetchall()
    assert titles == [("Äpfel", 1.5), ("Brot", 5.0)]
    assert "constants: {event_type: purchase}  # no type was found" in text


def test_taobao_without_a_header(settings: Settings, tmp_path: Path) -> None:
    text, rows = drafted(settings, tmp_path, UserBehavior__csv=TAOBAO.encode())
    at = datetime(2017, 11, 24, 17, 21, 10)
    assert rows[0] == ("1", "1 17494", "2268318", "view", None, None, at)
    assert [row[3] for row in rows] == ["view", "purchase"]
    assert "# the file has none: give each column its name" in text
    assert "# types without a counterpart" in text


def test_returns_and_totals_are_derived(settings: Settings, tmp_path: Path) -> None:
    lines = "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID\n"
    lines += "1,a,6,12/13/2010 8:26,2.5,17\nC2,a,-6,12/13/2010 8:36,2.5,17\n"
    _, rows = drafted(settings, tmp_path, invoices__csv=lines.encode())
    assert [row[3:6] for row in rows] == [("purchase", 6, 15.0), ("return", -6, -15.0)]
    assert rows[0][:3] == ("17", "1", "a")


def test_json_events_with_iso_times(settings: Settings, tmp_path: Path) -> None:
    event = (
        b'{"visitorId": 7, "event": "addtocart", "itemId": 3, "timestamp": "2024-01-01T10:00:00Z"}'
    )
    _, rows = drafted(settings, tmp_path, e__jsonl=event + b"\n")
    assert rows == [("7", "7 2024-01-01", "3", "cart", None, None, datetime(2024, 1, 1, 10))]


def test_ambiguous_day_and_month_are_a_doubt(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("order,customer,sku,qty,date\n1,a,x,1,02/03/2024 10:00\n")
    text = suggest([tmp_path / "o.csv"])
    assert "# or %m/%d/%Y %H:%M: no day is above 12" in text
    assert yaml.safe_load(text)["tables"]["events"]["columns"]["item_id"] == "sku"


def test_time_column_with_an_unknown_name_is_found_by_its_values(
    settings: Settings, tmp_path: Path
) -> None:
    lines = "order_no;customer;sku;qty;price;ordered\n1001;C-1;A1;2;3,50;31.01.2024 10:15\n"
    catalogue = b"sku,name,cat1,cat2,price\nA1,Milk,Grocery,Dairy,3.5\n"
    text, rows = drafted(settings, tmp_path, o__csv=lines.encode(), c__csv=catalogue)
    assert rows == [("C-1", "1001", "A1", "purchase", 2, 7.0, datetime(2024, 1, 31, 10, 15))]
    assert "event_at: ordered  # a guess: the first column of times" in text
    assert {"category_1": "cat1", "category_2": "cat2"}.items() <= yaml.safe_load(text)["tables"][
        "items"
    ]["columns"].items()


def test_money_of_decimal_commas_and_thousands(settings: Settings, tmp_path: Path) -> None:
    """Weights with a comma have the mapping read every number so, that of the total too."""
    lines = "order_no;customer;sku;qty;price;date\n"
    lines += "1;C-1;A1;1,5;1.200,50;31.01.2024 10:15\n2;C-1;A2;2;3,50;31.01.2024 10:15\n"
    _, rows = drafted(settings, tmp_path, o__csv=lines.encode())
    assert [row[4:6] for row in rows] == [(2, 1800.75), (2, 7.0)]


def test_missing_events_are_a_comment(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("sku,name,price,listed\na,Milk,3.5,2024-01-31\n")
    text = suggest([tmp_path / "c.csv"])
    assert "# No file has events" in text
    assert set(yaml.safe_load(text)["tables"]) == {"items"}


@pytest.mark.parametrize(
    ("name", "content"), [("x.pdf", b"x"), ("e.csv", b""), ("b.parquet", b"x")]
)
def test_unreadable_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=name):
        suggest([tmp_path / name])
