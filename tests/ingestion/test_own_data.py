"""Files as shops have them: other values, numbers, encodings and headers; quirks with a place."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from own_files import COLUMNS, EVENTS, HEADER, NOW, ROW, landed, quarantined, run

from penchant.errors import UsageError
from penchant.ingestion.ingest import ingest
from penchant.ingestion.landing.filters import Disallowed, check_filter
from penchant.ingestion.preview import preview
from penchant.ingestion.set_aside import set_aside
from penchant.settings import Settings


def test_taobao_lands_without_a_header(settings: Settings, tmp_path: Path) -> None:
    run(
        settings,
        tmp_path,
        "1,2268318,2520377,pv,1511544070\n1,2333346,2520771,buy,1511561733\n",
        header=["user", "item", "category", "behaviour", "at"],
        columns={
            "event_id": ["user", "item", "at"],
            "user_id": "user",
            "session_id": "user",
            "item_id": "item",
            "event_type": "behaviour",
            "event_at": "at",
        },
        constants={},
        values={"event_type": {"pv": "view", "fav": "view", "cart": "cart", "buy": "purchase"}},
        timestamp_format="epoch_seconds",
    )
    assert landed(settings, "item_id, event_type") == [
        ("2268318", "view"),
        ("2333346", "purchase"),
    ]


def test_numbers_with_a_comma_and_thousands(settings: Settings, tmp_path: Path) -> None:
    text = HEADER.replace(",", ";") + ROW.replace(",", ";").replace("9.5", "1.234,50")
    run(settings, tmp_path, text, delimiter=";", decimal=",", thousands=".")
    assert landed(settings, "value") == [(1234.5,)]


@pytest.mark.parametrize(("sold", "pieces"), [("0.5", 1), ("2.0", 2), ("3", 3), ("1.2", 2)])
def test_fraction_of_a_quantity_is_a_whole_piece(
    settings: Settings, tmp_path: Path, sold: str, pieces: int
) -> None:
    columns = {**COLUMNS, "quantity": "paid"}
    run(settings, tmp_path, HEADER + ROW.replace("9.5", sold), columns=columns)
    assert landed(settings, "quantity") == [(pieces,)]


def test_null_values_are_null(settings: Settings, tmp_path: Path) -> None:
    run(settings, tmp_path, HEADER + ROW.replace("9.5", r"\N"), null_values=[r"\N", "-"])
    assert landed(settings, "value") == [(None,)]


@pytest.mark.parametrize("encoding", ["utf-16", "gb18030", "latin-1", "cp1252", "shift_jis"])
def test_text_in_other_encodings(settings: Settings, tmp_path: Path, encoding: str) -> None:
    item = {"gb18030": "苹果", "shift_jis": "りんご", "utf-16": "苹果"}.get(encoding, "Äpfel")
    text = (HEADER + ROW.replace(",i,", f",{item},")).encode(encoding)
    run(settings, tmp_path, text, encoding=encoding)
    assert landed(settings, "item_id") == [(item,)]


def test_filter_leaves_rows_out_and_keeps_their_numbers(settings: Settings, tmp_path: Path) -> None:
    good, post = ROW, ROW.replace("1,", "2,", 1).replace(",i,", ",POST,")
    run(settings, tmp_path, HEADER + good + post, filter="item_id NOT IN ('POST', 'M')")
    assert landed(settings, "event_id, item_id") == [("1", "i")]
    bad = ROW.replace("1,", "3,", 1).replace("9.5", "much")
    [found] = run(
        settings, tmp_path, HEADER + post + bad, filter="item_id NOT IN ('POST', 'M')"
    ).quarantined
    assert [(r["first_row"], r["value"]) for r in found["reasons"]] == [(2, "much")]


def test_filter_on_a_missing_column_quarantines_the_file(
    settings: Settings, tmp_path: Path
) -> None:
    reason = quarantined(settings, tmp_path, HEADER + ROW + "\n", filter="status = 'paid'")
    assert reason["detail"].startswith("tables.events.filter does not fit the file: Binder Error")


@pytest.mark.parametrize(
    "text",
    [
        "true) OR (SELECT count(*) FROM t) > 0 AND (true",
        "true); DROP TABLE t; SELECT (1",
        "getenv('HOME') = ''",
        "event_at < current_date",
        "event_at < now()",
        "row_number() OVER () = 1",
        "repeat('x', 1000000000) = item_id",
        "lpad(item_id, 1000000000, 'x') = ''",
        "sleep_ms(1000) IS NULL",
        "item_id =",
    ],
)
def test_filter_is_one_condition_on_a_row(text: str) -> None:
    with pytest.raises(Disallowed):
        check_filter(text)


def test_reason_has_the_first_row_and_its_value(settings: Settings, tmp_path: Path) -> None:
    bad = ROW.replace("1,", "2,", 1).replace("9.5", "abc")
    reason = quarantined(settings, tmp_path, HEADER + ROW + bad)
    assert (reason["column"], reason["rows"]) == ("value", 1)
    assert (reason["first_row"], reason["value"]) == (2, "abc")


def test_header_alone_is_an_empty_day(settings: Settings, tmp_path: Path) -> None:
    run(settings, tmp_path)
    report = run(settings, tmp_path, HEADER)
    assert [batch["rows"] for batch in report.landed] == [0]


@pytest.mark.parametrize("item", ['""', '" "'])
def test_blank_ids_are_quarantined(settings: Settings, tmp_path: Path, item: str) -> None:
    reason = quarantined(settings, tmp_path, HEADER + ROW.replace(",i,", f",{item},"))
    assert reason["column"] == "item_id"


def test_id_with_nul_is_quarantined(settings: Settings, tmp_path: Path) -> None:
    run(settings, tmp_path)
    row = dict(zip(HEADER.strip().split(","), ROW.strip().split(","), strict=True))
    (tmp_path / "n.jsonl").write_text(json.dumps({**row, "item_id": "a\0b"}))
    [found] = run(settings, tmp_path, path="n.jsonl").quarantined
    assert found["reasons"][0]["detail"] == "blank, or with a NUL character"


@pytest.mark.parametrize(("ahead", "rejected"), [("00:05:00", 0), ("02:00:00", 1)])
def test_clock_may_be_minutes_ahead(
    settings: Settings, tmp_path: Path, ahead: str, rejected: int
) -> None:
    run(settings, tmp_path)
    text = HEADER + ROW.replace("2024-07-01 10:00:00", f"2025-01-01 {ahead}")
    assert len(run(settings, tmp_path, text).quarantined) == rejected


def test_negative_value_of_a_purchase_is_quarantined(settings: Settings, tmp_path: Path) -> None:
    reason = quarantined(settings, tmp_path, HEADER + ROW.replace("9.5", "-9.5"))
    assert (reason["column"], reason["value"]) == ("value", "-9.5")


def test_files_of_one_name_in_day_folders_are_different_files(
    settings: Settings, tmp_path: Path
) -> None:
    for day, paid in (("2024-07-01", "1"), ("2024-07-02", "2")):
        (tmp_path / f"dt={day}").mkdir()
        (tmp_path / f"dt={day}" / "part-0.csv").write_text(HEADER + ROW.replace("9.5", paid))
    report = run(settings, tmp_path, path="dt=*/part-0.csv")
    assert [batch["original_name"] for batch in report.landed] == [
        "dt=2024-07-01/part-0.csv",
        "dt=2024-07-02/part-0.csv",
    ]


def test_columns_that_a_later_version_adds_are_in_the_empty_batch(
    settings: Settings, tmp_path: Path
) -> None:
    empty = settings.landing / "files" / "items" / "_contract" / "data.parquet"
    empty.parent.mkdir(parents=True)
    duckdb.execute(f"COPY (SELECT 'a' AS item_id LIMIT 0) TO '{empty}'")
    run(settings, tmp_path)
    described = duckdb.execute(f"DESCRIBE FROM '{empty}'").fetchall()
    assert "is_merchandise" in [name for name, *_ in described]


def test_folder_named_like_a_file_is_left_out(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "x-1.csv").mkdir()
    (tmp_path / "x-2.csv").write_text(HEADER + ROW)
    assert len(run(settings, tmp_path, path="x-*.csv").landed) == 1


def test_several_files_of_a_table(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEADER + ROW)
    (tmp_path / "b.csv").write_text("id" + HEADER.removeprefix("event_id") + "2" + ROW[1:])
    other = {**EVENTS, "path": "b.csv", "columns": {**EVENTS["columns"], "event_id": "id"}}
    tables = {"events": [{**EVENTS, "path": "a.csv"}, other]}
    (tmp_path / "m.yml").write_text(yaml.safe_dump({"tables": tables}))
    ingest(settings, "files", mapping=tmp_path / "m.yml", now=NOW)
    assert landed(settings, "event_id") == [("1",), ("2",)]


def test_repeated_key_of_a_mapping_is_an_error(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "m.yml").write_text("tables:\n  events: {path: a}\n  events: {path: b}\n")
    with pytest.raises(UsageError, match="duplicate key 'events'") as error:
        ingest(settings, "files", mapping=tmp_path / "m.yml", now=NOW)
    assert "as a list" in str(error.value)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"values": {"event_type": {"pv": "look"}}}, "values.event_type has 'look'"),
        ({"values": {"kind": {"a": "b"}}}, "values.kind is unknown"),
        ({"encoding": "klingon"}, "encoding is 'klingon'"),
        ({"decimal": ",", "thousands": ","}, "thousands is ',', as decimal is"),
        ({"header": ["a", "a"]}, "header has 'a' twice"),
        ({"null_values": "NULL"}, "null_values is 'NULL'"),
        ({"filter": "a ="}, "filter is 'a ='"),
    ],
)
def test_wrong_keys_are_named(
    settings: Settings, tmp_path: Path, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=r"m\.yml: tables\.events") as error:
        run(settings, tmp_path, **keys)
    assert message in str(error.value)


def test_preview_shows_rows_and_rejections_and_lands_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    bad = ROW.replace("1,", "2,", 1).replace("9.5", "abc")
    (tmp_path / "good.csv").write_text(HEADER + ROW)
    (tmp_path / "bad.csv").write_text(HEADER + ROW + bad)
    tables = {"events": {**EVENTS, "path": "*.csv"}}
    (tmp_path / "m.yml").write_text(yaml.safe_dump({"tables": tables}))
    found = preview(settings, tmp_path / "m.yml", None, NOW)
    lines = found.summary().splitlines()
    assert lines[0] == "events: bad.csv: 2 rows"
    assert "  rejected: value: not of type DOUBLE, 1 rows, first row 2: abc" in lines
    assert lines[-1] == "1 files would land, 1 be quarantined"
    assert "item_id=i" in lines[-2] and "value=9.5" in lines[-2]
    assert not settings.landing.exists()


def test_batch_set_aside_does_not_land_again(settings: Settings, tmp_path: Path) -> None:
    [batch] = run(settings, tmp_path).landed
    run(settings, tmp_path, HEADER + ROW.replace("9.5", "1"))
    done = set_aside(settings, batch["sha256"][:12], "wrong currency", NOW)
    assert landed(settings, "value") == [(1.0,)]
    [again] = run(settings, tmp_path).quarantined
    assert again["reasons"][0]["detail"] == "wrong currency"
    assert Path(done.path, "data.parquet").exists()


def test_set_aside_needs_one_batch(settings: Settings, tmp_path: Path) -> None:
    run(settings, tmp_path)
    for start in ("zz", "*"):
        with pytest.raises(UsageError):
            set_aside(settings, start, "", NOW)


def test_ids_that_no_catalogue_has_are_counted(settings: Settings, tmp_path: Path) -> None:
    events = [ROW, ROW.replace(",i,", ",7.0,"), ROW.replace(",i,", ",8,")]
    text = "".join(row.replace("1,", f"{at},", 1) for at, row in enumerate(events))
    (tmp_path / "e.csv").write_text(HEADER + text)
    (tmp_path / "c.csv").write_text("sku\n7\n8\n")
    items = {"path": "c.csv", "columns": {"item_id": "sku", "title": "sku"}}
    tables = {"events": EVENTS, "items": items}
    (tmp_path / "m.yml").write_text(yaml.safe_dump({"tables": tables}))
    [said] = ingest(settings, "files", mapping=tmp_path / "m.yml", now=NOW).missing
    assert said == (
        "table items lacks 66.7 % of the item_ids of events (2 of 3, in 2 events); the same id "
        "written in two ways? '7.0' beside '7'"
    )


def test_preview_of_a_mapping_without_events_says_so(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("sku\na\n")
    columns = "{item_id: sku, title: sku}"
    (tmp_path / "m.yml").write_text(f"tables: {{items: {{path: c.csv, columns: {columns}}}}}")
    found = preview(settings, tmp_path / "m.yml", None, NOW)
    assert found.summary().splitlines()[-2].startswith("missing: no table events")
    run(settings, tmp_path)  # events land under another mapping
    (tmp_path / "m.yml").write_text(f"tables: {{items: {{path: c.csv, columns: {columns}}}}}")
    assert not preview(settings, tmp_path / "m.yml", None, NOW).missing
