"""Kinds of files, and keys of a mapping that shape their rows."""

import io
import json
import re
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pyarrow as pa
import pytest
import yaml
from own_files import COLUMNS, EVENTS, HEADER, NOW, ROW, landed, quarantined, run
from pyarrow import orc

from penchant.errors import DataError, UsageError
from penchant.ingestion.ingest import ingest
from penchant.ingestion.landing.reading import read
from penchant.ingestion.preview import preview
from penchant.settings import Settings


def test_quote_inside_a_text_is_a_character(settings: Settings, tmp_path: Path) -> None:
    run(settings, tmp_path, HEADER + ROW.replace(",i,", ',6" nails,'))
    assert landed(settings, "item_id") == [('6" nails',)]


def test_unclosed_quote_names_the_line_and_the_key(settings: Settings, tmp_path: Path) -> None:
    text = HEADER + ROW + ROW.replace("1,", "2,", 1).replace(",i,", ',"6 nails,')
    assert (
        "in or after line 3 (unexpected end of data); if quotes"
        in quarantined(settings, tmp_path, text)["detail"]
    )
    run(settings, tmp_path, text, quote="")
    assert landed(settings, "item_id")[-1] == ('"6 nails',)


def test_row_of_wrong_width_says_so_without_its_content(settings: Settings, tmp_path: Path) -> None:
    detail = quarantined(settings, tmp_path, HEADER + "1,secret\n")["detail"]
    assert "Line: 2; Expected Number of Columns: 6" in detail and "secret" not in detail


@pytest.mark.parametrize(
    ("zone", "rejected"), [("Europe/Paris", True), ("UTC", False), ("Etc/GMT-1", False)]
)
def test_time_that_the_clock_skipped(
    settings: Settings, tmp_path: Path, zone: str, rejected: bool
) -> None:
    run(settings, tmp_path)
    text = HEADER + ROW.replace("2024-07-01 10:00", "2024-03-31 02:30")
    found = run(settings, tmp_path, text, timezone=zone).quarantined
    assert [one["reasons"][0]["code"] for one in found] == ["timestamp_skipped"] * rejected


def test_wrong_unit_of_epochs_is_named(settings: Settings, tmp_path: Path) -> None:
    text = HEADER + ROW.replace("2024-07-01 10:00:00", "1719828000000")
    reason = quarantined(settings, tmp_path, text, timestamp_format="epoch_seconds")
    assert "such as milliseconds where it is epoch_seconds" in reason["detail"]


def test_duplicate_key_has_its_first_row_and_value(settings: Settings, tmp_path: Path) -> None:
    reason = quarantined(settings, tmp_path, HEADER + ROW + ROW.replace("1,", "2,", 1) * 3)
    assert (reason["rows"], reason["first_row"], reason["value"]) == (2, 2, "2")


def packed(name: str, text: str) -> bytes:
    """A file of this kind with the table."""
    rows = [line.split(",") for line in text.splitlines()]
    if name.endswith(".tsv"):
        return text.replace(",", "\t").encode()
    if name.endswith(".json"):
        return json.dumps([dict(zip(rows[0], row, strict=True)) for row in rows[1:]]).encode()
    written = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(written, "w") as archive:
            archive.writestr("../of/e.csv", text)
    elif name.endswith(".xlsx"):
        book = openpyxl.Workbook()
        book.active.append(rows[0])
        book.active.append([1, "u", "s", "i", datetime(2024, 7, 1, 10), 9.5])
        book.save(written)
    return written.getvalue() or text.encode()


@pytest.mark.parametrize("ending", [".tsv", ".txt", ".json", ".zip", ".xlsx"])
def test_more_kinds_of_files(settings: Settings, tmp_path: Path, ending: str) -> None:
    (tmp_path / f"f{ending}").write_bytes(packed(ending, HEADER + ROW))
    report = run(settings, tmp_path, path=f"f{ending}")
    assert report.quarantined == []
    assert landed(settings, "event_id, event_at, value") == [("1", datetime(2024, 7, 1, 10), 9.5)]


def test_orc_files_land_and_damaged_ones_are_quarantined(
    settings: Settings, tmp_path: Path
) -> None:
    row = {name: [name] for name in ("event_id", "user_id", "session_id", "item_id")}
    at = pa.array([datetime(2024, 7, 1, 10)], pa.timestamp("ns"))
    orc.write_table(pa.table({**row, "event_at": at, "paid": [9.5]}), tmp_path / "f.orc")
    assert run(settings, tmp_path, path="f.orc").quarantined == []
    assert landed(settings, "user_id, event_at, value") == [
        ("user_id", datetime(2024, 7, 1, 10), 9.5)
    ]
    whole = (tmp_path / "f.orc").read_bytes()
    for number, damaged in enumerate((whole[: len(whole) // 2], whole[:9] + whole[60:], b"ORC")):
        (tmp_path / f"damaged-{number}.orc").write_bytes(damaged)
    report = run(settings, tmp_path, path="damaged-*.orc")
    assert [file["reasons"][0]["code"] for file in report.quarantined] == ["unreadable_file"] * 3


def test_folders_are_columns(settings: Settings, tmp_path: Path) -> None:
    """As Hive and Spark write them."""
    for item in ("a%20b", "__HIVE_DEFAULT_PARTITION__"):
        (tmp_path / f"item_id={item}").mkdir()
        row = "x" + ROW if item.startswith("_") else ROW
        (tmp_path / f"item_id={item}" / "e.csv").write_text(
            HEADER.replace("item_id,", "") + row.replace(",i,", ",")
        )
    [quarantined] = run(settings, tmp_path, path="item_id=*/e.csv").quarantined
    assert quarantined["reasons"][0]["column"] == "item_id"
    assert landed(settings, "item_id") == [("a b",)]


def test_values_inside_of_json_are_columns(settings: Settings, tmp_path: Path) -> None:
    names = [name for name in HEADER.strip().split(",") if name != "item_id"]
    flat = dict(zip(names, ROW.replace(",i,", ",").strip().split(","), strict=True))
    rows = [{**flat, "product": {"sku": "i", "tags": ["new", "red"]}}, {**flat, "event_id": "2"}]
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = {**COLUMNS, "item_id": "/product/sku", "session_id": "/product/tags/1"}
    report = run(settings, tmp_path, path="f.jsonl", columns=columns, reject_rows=0.5)
    assert report.landed[0]["rejected"] == 1
    assert landed(settings, "item_id, session_id") == [("i", "red")]


def edited_workbook(part: str, edit: Callable[[bytes], bytes]) -> bytes:
    """A workbook of the table in which one part is edited."""
    written = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(packed(".xlsx", HEADER))) as before,
        zipfile.ZipFile(written, "w") as after,
    ):
        for name in before.namelist():
            content = before.read(name)
            after.writestr(name, edit(content) if name == part else content)
    return written.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("part", "edit", "detail"),
    [
        (SHEET, lambda xml: xml[:400], "damaged Excel workbook: no element found"),
        (SHEET, lambda xml: b"<!DOCTYPE x>&e;", "damaged Excel workbook"),
        ("[Content_Types].xml", lambda xml: b"<a/>", "damaged Excel workbook: File contains no"),
        (
            SHEET,
            lambda xml: re.sub(rb"<dimension[^>]*>", b"", xml).replace(b'r="2"', b'r="2000000"'),
            "the sheet has more than 100 rows",
        ),
    ],
)
def test_damaged_workbook_is_quarantined(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    edit: Callable[[bytes], bytes],
    detail: str,
) -> None:
    monkeypatch.setattr("penchant.ingestion.landing.unpacking.SHEET_ROWS", 100)
    (tmp_path / "f.xlsx").write_bytes(edited_workbook(part, edit))
    with pytest.raises(DataError, match=detail):
        run(settings, tmp_path, path="f.xlsx")


@pytest.mark.parametrize("name", ["e" * 300 + ".csv", "e[1].csv", "?*.csv"])
def test_archive_of_a_file_with_an_odd_name(settings: Settings, tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.writestr(name, HEADER + ROW)
    assert run(settings, tmp_path, path="f.zip").quarantined == []


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_a_file_whose_name_is_a_pattern_is_read_itself(tmp_path: Path, ending: str) -> None:
    with duckdb.connect() as connection:
        for name, value in (("e[1]", "itself"), ("e1", "another")):
            target = tmp_path / f"{name}.{ending}"
            connection.execute(f"COPY (SELECT '{value}' AS a) TO '{target}'")
        opened = read(connection, tmp_path / f"e[1].{ending}")
        query = f"SELECT {opened.columns['a'].sql} FROM {opened.relation}"
        assert connection.execute(query).fetchall() == [("itself",)]


def test_damaged_archive_of_another_compression_is_quarantined(
    settings: Settings, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "f.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("e.csv", (HEADER + ROW) * 100)
    whole = (tmp_path / "f.zip").read_bytes()
    (tmp_path / "f.zip").write_bytes(whole[:60] + b"\xff" * 30 + whole[90:])
    with pytest.raises(DataError, match="damaged zip archive: Corrupt input"):
        run(settings, tmp_path, path="f.zip")


@pytest.mark.parametrize(
    ("given", "key"),
    [({"filter": "count(*) > 0"}, "filter"), ({"derived": {"n": "count(*)"}}, "derived.n")],
)
def test_aggregate_over_the_file_is_a_mistake(
    settings: Settings, tmp_path: Path, given: dict[str, Any], key: str
) -> None:
    with pytest.raises(UsageError, match=rf"tables.events.{key} is .*: count_star is not one of"):
        run(settings, tmp_path, HEADER + ROW, **given)


def test_derived_text_is_bounded(settings: Settings, tmp_path: Path) -> None:
    """Thirty columns that double each other would be a gigabyte a row."""
    doubled = {"d00": "item_id || item_id"} | {
        f"d{number:02}": f"d{number - 1:02} || d{number - 1:02}" for number in range(1, 30)
    }
    with pytest.raises(DataError, match=r"derived\.d13 is longer than 10,000 characters"):
        run(settings, tmp_path, HEADER + ROW, derived=doubled, filter="d29 <> ''")


def test_archive_of_several_files_is_quarantined(settings: Settings, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.writestr("a.csv", HEADER)
        archive.writestr("b.csv", HEADER)
    (tmp_path / "bad.zip").write_bytes(b"PK not")
    run(settings, tmp_path)
    found = run(settings, tmp_path, path="*.zip").quarantined
    details = [one["reasons"][0]["detail"] for one in found]
    assert details[0].startswith("damaged zip archive")
    assert details[1].startswith("the zip archive has 2 files (a.csv, b.csv)")


def test_values_inside_json_and_columns_of_folders(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "dt=2024-07-01" / "shop=a%2Fb"
    folder.mkdir(parents=True)
    event = {"id": 1, "user": {"id": "u"}, "lines": [{"sku": "i"}]}
    (folder / "part-0.ndjson").write_text(json.dumps(event))
    columns = {
        **{"event_id": "id", "session_id": "shop", "user_id": "/user/id"},
        **{"item_id": "/lines/0/sku", "event_at": "dt"},
    }
    run(settings, tmp_path, path="dt=*/shop=*/*.ndjson", columns=columns)
    assert landed(settings, "user_id, session_id, item_id, event_at") == [
        ("u", "a/b", "i", datetime(2024, 7, 1))
    ]


def test_derived_columns_and_a_filter_on_them(settings: Settings, tmp_path: Path) -> None:
    text = HEADER + ROW + ROW.replace("1,", "2,", 1).replace("9.5", "0")
    keys: dict[str, Any] = {
        "derived": {"twice": "2 * CAST(paid AS DOUBLE)"},
        "filter": "twice > '0'",
        "columns": {**COLUMNS, "value": "twice"},
    }
    run(settings, tmp_path, text, **keys)
    assert landed(settings, "event_id, value") == [("1", 19.0)]
    keys["derived"] = {"twice": "2 * price"}
    [found] = run(settings, tmp_path, text + "\n", **keys).quarantined
    detail = found["reasons"][0]["detail"]
    assert detail.startswith("tables.events.derived.twice does not fit the file: Binder Error")


def test_one_file_gives_events_and_items(settings: Settings, tmp_path: Path) -> None:
    text = HEADER + ROW + ROW.replace("1,", "2,", 1).replace("9.5", "8")
    (tmp_path / "e.csv").write_text(text)
    items = {
        "path": "e.csv",
        "columns": {"item_id": "item_id", "title": "item_id", "price": "paid"},
        "last_of_key": True,
    }
    (tmp_path / "m.yml").write_text(yaml.safe_dump({"tables": {"events": EVENTS, "items": items}}))
    report = ingest(settings, "files", mapping=tmp_path / "m.yml", now=NOW)
    assert report.quarantined == []
    batches = settings.landing / "files" / "items" / "*" / "data.parquet"
    found = duckdb.execute(f"SELECT item_id, price FROM '{batches}' ").fetchall()
    assert found == [("i", 8.0)]


def test_file_that_landed_before_new_keys_is_unchanged(settings: Settings, tmp_path: Path) -> None:
    run(settings, tmp_path)
    assert len(run(settings, tmp_path, whole_table=True, delimiter=",").unchanged) == 1


def test_rows_are_rejected_one_by_one_up_to_a_share(settings: Settings, tmp_path: Path) -> None:
    good = "".join(ROW.replace("1,", f"{at},", 1) for at in range(8))
    text = HEADER + good + ROW.replace("1,", "9,", 1).replace("9.5", "much") + ROW
    report = run(settings, tmp_path, text, reject_rows=0.2)
    [batch] = report.landed
    assert (batch["rows"], batch["rejected"]) == (8, 2)
    assert "2 rows rejected" in report.summary()
    lines = Path(batch["path"], "rejected.jsonl").read_text().splitlines()
    assert [(line["row"], line["column"], line["value"]) for line in map(json.loads, lines)] == [
        (9, "value", "much"),
        (10, "event_id", "1"),
    ]
    assert preview(settings, tmp_path / "m.yml", None, NOW).files[0].lands
    [found] = run(settings, tmp_path, text + "\n", reject_rows=0.1).quarantined
    assert not preview(settings, tmp_path / "m.yml", None, NOW).files[0].lands
    assert [reason["code"] for reason in found["reasons"]] == ["wrong_type", "duplicate_key"]


def test_empty_file_is_no_whole_table(settings: Settings, tmp_path: Path) -> None:
    reason = quarantined(settings, tmp_path, HEADER, whole_table=True)
    assert reason["code"] == "no_rows"
