"""A shop's own files: mapped from each format; mapping errors name the key."""

import json
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest
import yaml

from penchant.errors import UsageError
from penchant.ingestion.ingest import IngestReport, ingest
from penchant.settings import Settings

NOW = datetime(2025, 1, 1)
CSV = "order;line;customer;sku;qty;paid;bought\n7;1;42;A-1;2;9,5;01/07/2024 00:30\n".replace(
    "9,5", "9.5"
)
EVENTS: dict = {
    "path": "orders.csv",
    "columns": {
        "event_id": ["order", "line"],
        "user_id": "customer",
        "session_id": "order",
        "item_id": "sku",
        "quantity": "qty",
        "value": "paid",
        "event_at": "bought",
    },
    "constants": {"event_type": "purchase"},
    "timestamp_format": "%d/%m/%Y %H:%M",
    "timezone": "Europe/Paris",
    "delimiter": ";",
}
ROW = ("7-1", "42", "7", "A-1", "purchase", 2, 9.5, None, datetime(2024, 6, 30, 22, 30))


def run(
    settings: Settings, folder: Path, events: dict, day: date | None = None, **top: object
) -> IngestReport:
    mapping = folder / "mapping.yaml"
    mapping.write_text(yaml.safe_dump({"tables": {"events": events}, **top}))
    return ingest(settings, source="files", mapping=mapping, day=day, now=NOW)


def landed(settings: Settings) -> list[tuple]:
    batches = settings.landing / "files" / "events" / "*" / "data.parquet"
    with duckdb.connect() as connection:
        return connection.execute(f"FROM read_parquet('{batches}') ORDER BY ALL").fetchall()


def changed(**keys: object) -> dict:
    """The mapping with keys replaced, or left out where None."""
    return {key: value for key, value in {**EVENTS, **keys}.items() if value is not None}


def test_csv_lands_in_canonical_columns(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(CSV)
    run(settings, tmp_path, EVENTS)
    assert landed(settings) == [ROW]


def test_json_lines_land_the_same(settings: Settings, tmp_path: Path) -> None:
    row = {"order": 7, "line": 1, "customer": 42, "sku": "A-1", "qty": 2, "paid": 9.5}
    (tmp_path / "orders.jsonl").write_text(json.dumps({**row, "bought": "2024-07-01T00:30"}))
    run(settings, tmp_path, changed(path="orders.jsonl", timestamp_format=None))
    assert landed(settings) == [ROW]


@pytest.mark.parametrize(
    "bought",
    [
        "TIMESTAMP '2024-07-01 00:30'",
        "TIMESTAMPTZ '2024-06-30 22:30:00+00'",
        "'2024-07-01 00:30:00'",
        "'2024-06-30T22:30:00Z'",
        "'2024-07-01 01:30:00+03:00'",
    ],
)
def test_parquet_lands_the_same_for_each_timestamp_type(
    settings: Settings, tmp_path: Path, bought: str
) -> None:
    path = tmp_path / "orders.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"""COPY (SELECT 7 AS "order", 1 AS line, 42 AS customer, 'A-1' AS sku, 2 AS qty,
            9.5 AS paid, {bought} AS bought) TO '{path}'"""
        )
    run(settings, tmp_path, changed(path="orders.parquet", timestamp_format=None))
    assert landed(settings) == [ROW]


@pytest.mark.parametrize(
    ("unit", "bought"),
    [
        ("epoch_seconds", "1719786600"),
        ("epoch_milliseconds", "1719786600000"),
        ("epoch_microseconds", "1719786600000000"),
    ],
)
def test_reads_epochs_by_their_unit(
    settings: Settings, tmp_path: Path, unit: str, bought: str
) -> None:
    (tmp_path / "orders.csv").write_text(CSV.replace("01/07/2024 00:30", bought))
    run(settings, tmp_path, changed(timestamp_format=unit))
    assert landed(settings) == [ROW]


@pytest.mark.parametrize("unit", ["epoch_seconds", "epoch_milliseconds", "epoch_microseconds"])
def test_quarantines_nanoseconds_for_every_epoch_unit(
    settings: Settings, tmp_path: Path, unit: str
) -> None:
    (tmp_path / "orders.csv").write_text(CSV)
    (tmp_path / "orders-2.csv").write_text(CSV.replace("01/07/2024 00:30", "1719786600000000000"))
    run(settings, tmp_path, EVENTS)
    [quarantined] = run(
        settings, tmp_path, changed(path="orders-2.csv", timestamp_format=unit)
    ).quarantined
    assert [reason["code"] for reason in quarantined["reasons"]] == ["timestamp_nanoseconds"]


def test_glob_lands_valid_files_and_quarantines_the_others(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "orders-2024-07-01.csv").write_text(CSV)
    (tmp_path / "orders-2024-07-02.csv").write_text(CSV.replace("customer", "client"))
    report = run(settings, tmp_path, changed(path="orders-*.csv"))
    assert len(report.landed) == 1
    assert [
        (reason["code"], reason["column"], reason["detail"])
        for reason in report.quarantined[0]["reasons"]
    ] == [
        (
            "missing_column",
            "user_id",
            "no column customer (mapped by tables.events.columns.user_id); "
            "the file has order, line, client, sku, qty, paid, bought",
        )
    ]


def test_day_selects_one_file(settings: Settings, tmp_path: Path) -> None:
    for day in ("01", "02"):
        text = CSV.replace("01/07/2024", f"{day}/07/2024")
        (tmp_path / f"orders-2024-07-{day}.csv").write_text(text)
    events = changed(path="orders-{day}.csv")
    report = run(settings, tmp_path, events, day=date(2024, 7, 2))
    assert [batch["original_name"] for batch in report.landed] == ["orders-2024-07-02.csv"]
    assert len(run(settings, tmp_path, events).landed) == 1


def test_rejects_landed_file_under_another_mapping(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(CSV)
    run(settings, tmp_path, EVENTS)
    with pytest.raises(UsageError, match="landed as events under another mapping"):
        run(settings, tmp_path, changed(timezone="UTC"))


def test_quarantines_negative_quantity_except_in_returns(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "orders.csv").write_text(CSV.replace(";2;", ";-2;"))
    (tmp_path / "more.csv").write_text(CSV.replace(";2;", ";-2;").replace("7;1", "8;1"))
    run(settings, tmp_path, changed(constants={"event_type": "return"}))
    [quarantined] = run(settings, tmp_path, changed(path="more.csv")).quarantined
    assert [reason["code"] for reason in quarantined["reasons"]] == ["negative_quantity"]


@pytest.mark.parametrize(
    "text", ["", "{", "[1, 2]\n", '{"order": 7}\n3\n', "\x00", '{"order": NaN, "line":}\n']
)
def test_quarantines_invalid_json_lines(settings: Settings, tmp_path: Path, text: str) -> None:
    (tmp_path / "good.csv").write_text(CSV)
    run(settings, tmp_path, changed(path="good.csv"))
    (tmp_path / "bad.jsonl").write_text(text)
    [quarantined] = run(settings, tmp_path, changed(path="bad.jsonl")).quarantined
    assert quarantined["reasons"][0]["code"] in {"unreadable_file", "undecodable_text"}


def test_quarantines_unknown_extension(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(CSV)
    (tmp_path / "orders.xlsx").write_text("PK")
    report = run(settings, tmp_path, changed(path="orders.*"))
    assert [each["original_name"] for each in report.quarantined] == ["orders.xlsx"]


WRONG = {
    "tables.events.columns.event_at is required": {"columns": {"event_id": "order"}},
    "tables.events.columns.evnt_id is unknown": {"columns": {"evnt_id": "order"}},
    "tables.events.columns.quantity joins columns": {
        "columns": {**EVENTS["columns"], "quantity": ["qty", "line"]}
    },
    "tables.events.columns.user_id is 3": {"columns": {**EVENTS["columns"], "user_id": 3}},
    "tables.events.constants.event_type is 'bought'": {"constants": {"event_type": "bought"}},
    "tables.events.constants.user_id is also under columns": {
        "constants": {"event_type": "purchase", "user_id": "x"}
    },
    "tables.events.timestamp_format is '%d/%m %H:%M', which has no year": {
        "timestamp_format": "%d/%m %H:%M"
    },
    "tables.events.timestamp_format is '%Y %Q'": {"timestamp_format": "%Y %Q"},
    "tables.events.timezone is 'Paris'": {"timezone": "Paris"},
    "tables.events.delimiter is ';;'": {"delimiter": ";;"},
    "tables.events.path is missing": {"path": None},
    "tables.events.path matches no file": {"path": "nothing-*.csv"},
    "tables.events.colums is unknown": {"colums": {}},
}


@pytest.mark.parametrize("message", WRONG)
def test_invalid_mapping_error_names_the_key(
    settings: Settings, tmp_path: Path, message: str
) -> None:
    (tmp_path / "orders.csv").write_text(CSV)
    events = {
        key: value for key, value in {**EVENTS, **WRONG[message]}.items() if value is not None
    }
    if "required" in message:
        events["columns"] = {k: v for k, v in EVENTS["columns"].items() if k != "event_at"}
    with pytest.raises(UsageError) as caught:
        run(settings, tmp_path, events)
    assert message in str(caught.value)
    assert "mapping.yaml" in str(caught.value)


@pytest.mark.parametrize("text", ["", "tables: [", "tables: {}", "tables: {orders: {}}", "- a"])
def test_rejects_file_that_is_not_a_mapping(settings: Settings, tmp_path: Path, text: str) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"mapping\.yaml"):
        ingest(settings, source="files", mapping=path)


def test_requires_a_mapping(settings: Settings) -> None:
    with pytest.raises(UsageError, match="--mapping"):
        ingest(settings, source="files")
