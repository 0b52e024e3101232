"""Daily CSV files: published files land, invalid ones are quarantined."""

import gzip
import os
import zlib
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

from penchant.errors import NothingToDo, UsageError
from penchant.ingestion.ingest import IngestReport, ingest
from penchant.settings import Settings

NOW = datetime(2020, 1, 1)
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
SALE = "536365,85123A,WHITE HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n"
AS_SHIPPED = (
    SALE
    + SALE  # whole rows repeat
    + "536366,22086,,1,2010-12-01 09:00:00,0.0,,France\n"  # a guest, no description, a gift
    + "C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527.0,United Kingdom\n"
    + "536589,21777,,-10,2010-12-01 16:50:00,0.0,,United Kingdom\n"  # a stock adjustment
    + "A563186,B,Adjust bad debt,1,2010-12-01 14:51:00,-11062.06,,United Kingdom\n"
    + '536370,22492,"MINI ""PAINT"", SET",2,2010-12-01 08:45:00,0.65,12583.0,France\n'
)


@pytest.fixture
def days(tmp_path: Path) -> Path:
    folder = tmp_path / "by-day"
    folder.mkdir()
    write(folder / "2010-12-01.csv.gz", HEADER + AS_SHIPPED)
    write(folder / "2010-12-02.csv.gz", HEADER + SALE.replace("12-01", "12-02"))
    return folder


def write(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def run(settings: Settings, folder: Path | None, day: date | None = None) -> IngestReport:
    return ingest(settings, source="online_retail", path=folder, day=day, now=NOW)


def landed(settings: Settings, query: str) -> list[tuple]:
    batches = settings.landing / "online_retail" / "invoices" / "*" / "data.parquet"
    with duckdb.connect() as connection:
        return connection.execute(query.format(f"read_parquet('{batches}')")).fetchall()


def test_lands_a_published_day_with_line_numbers(settings: Settings, days: Path) -> None:
    assert run(settings, days).summary() == "landed 2, unchanged 0, quarantined 0"
    rows = landed(
        settings,
        "SELECT line_number, InvoiceNo, Quantity, CustomerID FROM {} "
        "WHERE InvoiceDate < '2010-12-02' ORDER BY ALL",
    )
    assert rows[:4] == [
        (1, "536365", 6, 17850),
        (2, "536365", 6, 17850),
        (3, "536366", 1, None),
        (4, "C536379", -1, 14527),
    ]
    assert landed(settings, "SELECT Description FROM {} WHERE line_number = 7") == [
        ('MINI "PAINT", SET',)
    ]


def test_lands_one_day_once(settings: Settings, days: Path) -> None:
    assert len(run(settings, days, date(2010, 12, 2)).landed) == 1
    report = run(settings, days)
    assert (len(report.landed), len(report.unchanged)) == (1, 1)


def test_day_without_a_file_is_nothing_to_do(settings: Settings, days: Path) -> None:
    with pytest.raises(NothingToDo, match=r"no file 2010-12-04\.csv\.gz"):
        run(settings, days, date(2010, 12, 4))


@pytest.mark.parametrize("folder", [None, "nowhere", "empty"])
def test_requires_a_folder(settings: Settings, tmp_path: Path, folder: str | None) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError):
        run(settings, tmp_path / folder if folder else None)


def swap(old: str, new: str) -> Callable[[str], bytes]:
    def apply(text: str) -> bytes:
        assert old in text
        return gzip.compress(text.replace(old, new).encode(), mtime=0)

    return apply


def bad_checksum(text: str) -> bytes:
    packed = bytearray(gzip.compress(text.encode()))
    packed[-8] ^= 1
    return bytes(packed)


BROKEN = {
    "not gzip": (lambda text: text.encode(), "unreadable_file"),
    "cut gzip": (lambda text: gzip.compress(text.encode() * 50)[:-40], "unreadable_file"),
    "gzip cut of its checksum": (lambda text: gzip.compress(text.encode())[:-8], "unreadable_file"),
    "wrong checksum": (bad_checksum, "unreadable_file"),
    "deflate without gzip": (lambda text: zlib.compress(text.encode()), "unreadable_file"),
    "empty": (lambda text: b"", "unreadable_file"),
    "empty inside": (lambda text: gzip.compress(b""), "unreadable_file"),
    "header only": (lambda text: gzip.compress(HEADER.encode()), "no_rows"),
    "latin-1": (
        lambda text: gzip.compress(text.replace("HEART", "CŒUR é").encode("cp1252")),
        "undecodable_text",
    ),
    "utf-16": (lambda text: gzip.compress(text.encode("utf-16")), "undecodable_text"),
    "binary": (lambda text: gzip.compress(bytes(range(256)) * 9), "undecodable_text"),
    "a bomb": (lambda text: gzip.compress(b"a" * (70 << 20)), "unreadable_file"),
    "wrong delimiter": (
        lambda text: gzip.compress(text.replace(",", ";").encode()),
        "missing_column",
    ),
    "no header": (lambda text: gzip.compress(AS_SHIPPED.encode()), "missing_column"),
    "renamed column": (swap("UnitPrice", "Price"), "missing_column"),
    "repeated column": (swap("Country\n", "StockCode\n"), "unreadable_file"),
    "short row": (swap(",2.55,17850.0,United Kingdom\n536366", "\n536366"), "unreadable_file"),
    "unclosed quote": (swap('SET",2', "SET,2"), "unreadable_file"),
    "text for a number": (swap(",6,", ",six,"), "wrong_type"),
    "fraction for an integer": (swap(",6,", ",6.5,"), "wrong_type"),
    "null": (swap("536366,", ","), "null_value"),
    "NaN": (swap("2.55", "nan"), "not_finite"),
    "infinity": (swap("2.55", "-inf"), "not_finite"),
    "negative sale": (swap(",6,", ",-6,"), "negative_quantity"),
    "negative price": (swap(",2.55", ",-2.55"), "not_allowed"),
    "invoice number as a float": (swap("536366,", "536366.0,"), "not_allowed"),
    "future": (swap("2010-12-01 09:00", "2030-12-01 09:00"), "timestamp_future"),
    "nanoseconds": (swap("2010-12-01 09:00:00", "1291194000000000000"), "timestamp_nanoseconds"),
    "nanosecond fraction": (swap("09:00:00", "09:00:00.123456789"), "timestamp_nanoseconds"),
    "no year": (swap("2010-12-01 09:00:00", "12-01 09:00:00"), "timestamp_without_year"),
    "month and day in words": (
        swap("2010-12-01 09:00:00", "Dec 1 09:00"),
        "timestamp_without_year",
    ),
    "time alone": (swap("2010-12-01 09:00:00", "09:00:00"), "timestamp_without_year"),
    "no time at all": (swap("2010-12-01 09:00:00", "soon"), "wrong_type"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_quarantines_invalid_day_and_lands_the_others(
    kind: str, settings: Settings, days: Path
) -> None:
    damage, code = BROKEN[kind]
    file = days / "2010-12-01.csv.gz"
    broken = damage(HEADER + AS_SHIPPED)
    file.write_bytes(broken)

    report = run(settings, days)

    assert [batch["original_name"] for batch in report.landed] == ["2010-12-02.csv.gz"]
    [quarantined] = report.quarantined
    assert code in [reason["code"] for reason in quarantined["reasons"]], quarantined["reasons"]
    assert (Path(quarantined["path"]) / file.name).read_bytes() == broken
    assert str(settings.home) not in quarantined["reasons"][0]["detail"]


@pytest.mark.parametrize("text", ["\ufeff" + HEADER + AS_SHIPPED, (HEADER + AS_SHIPPED)[:-1]])
def test_accepts_byte_order_mark_and_missing_last_newline(
    settings: Settings, days: Path, text: str
) -> None:
    write(days / "2010-12-01.csv.gz", text)
    assert [batch["rows"] for batch in run(settings, days).landed] == [7, 1]


def test_accepts_windows_line_ends(settings: Settings, days: Path) -> None:
    write(days / "2010-12-01.csv.gz", (HEADER + AS_SHIPPED).replace("\n", "\r\n"))
    assert [batch["rows"] for batch in run(settings, days).landed] == [7, 1]


def test_lands_all_published_days(settings: Settings) -> None:
    folder = os.environ.get("PENCHANT_TEST_DATA")
    if not folder:
        pytest.skip("PENCHANT_TEST_DATA names no folder with online_retail/by-day")
    report = run(settings, Path(folder) / "online_retail" / "by-day")
    assert not report.quarantined
    assert len(report.landed) == 305
    assert sum(batch["rows"] for batch in report.landed) == 541_909
    assert landed(settings, "SELECT count(DISTINCT CustomerID) FROM {}") == [(4372,)]
