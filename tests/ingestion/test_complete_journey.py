"""The default source: valid files land, each kind of invalid file is quarantined."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from penchant.errors import DataError, UsageError
from penchant.ingestion.ingest import IngestReport, ingest
from penchant.settings import Settings

NOW = datetime(2020, 1, 1)
# Valid rows of each table; an invalid file is one of these with one change.
GOOD = {
    "transactions": """SELECT * FROM (VALUES
        (1, 10, 100, 1000, 2, 3.5, 0.0, 0.0, 0.0, 1, TIMESTAMP '2017-01-01 08:00:00.123456'),
        (1, 10, 100, 1001, 0, 0.0, 0.0, 0.5, 0.5, 1, TIMESTAMP '2017-01-01 08:00:00.123456')
        ) AS t(household_id, store_id, basket_id, product_id, quantity, sales_value, retail_disc,
        coupon_disc, coupon_match_disc, week, transaction_timestamp)""",
    "products": """SELECT * FROM (VALUES (1000, 5, 'GROCERY', 'National', 'TEA', 'GREEN', '1 OZ'),
        (1001, NULL, NULL, NULL, NULL, NULL, NULL)) AS t(product_id, manufacturer_id, department,
        brand, product_category, product_type, package_size)""",
    "demographics": """SELECT * FROM (VALUES (1, '19-24', '15-24K', NULL, NULL, '1', 'a', '0'))
        AS t(household_id, age, income, home_ownership, marital_status, household_size,
        household_comp, kids_count)""",
    "campaigns": "SELECT * FROM (VALUES (1, 1), (2, 1)) AS t(campaign_id, household_id)",
    "campaign_descriptions": """SELECT * FROM (VALUES
        (1, 'Type A', TIMESTAMP '2017-01-01', TIMESTAMP '2030-01-01'))
        AS t(campaign_id, campaign_type, start_date, end_date)""",
    "coupons": """SELECT * FROM (VALUES (7, 1000, 1), (7, 1000, 1))
        AS t(coupon_upc, product_id, campaign_id)""",
    "coupon_redemptions": """SELECT * FROM (VALUES (1, 7, 1, TIMESTAMP '2017-01-02'))
        AS t(household_id, coupon_upc, campaign_id, redemption_date)""",
    "promotions": """SELECT * FROM (VALUES (1000, 10, '0', 'A', 1), (1000, 10, '0', 'A', 1))
        AS t(product_id, store_id, display_location, mailer_location, week)""",
}
INTEGERS = "SELECT * REPLACE ({}) FROM ({})"


def write(query: str, path: Path) -> None:
    """Write Parquet with the publisher's types: 64-bit integers and doubles."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t AS {query}")
        for name, type_, *_ in connection.execute("DESCRIBE t").fetchall():
            wide = {"INTEGER": "BIGINT"}.get(type_, "DOUBLE" if "DECIMAL" in type_ else type_)
            connection.execute(f'ALTER TABLE t ALTER "{name}" TYPE {wide}')
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")


@pytest.fixture(scope="module")
def good_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    for table, query in GOOD.items():
        write(query, folder / f"{table}.parquet")
    return folder


@pytest.fixture
def good(good_once: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for file in good_once.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def run(settings: Settings, folder: Path) -> IngestReport:
    return ingest(settings, source="complete_journey", path=folder, now=NOW)


def test_lands_eight_tables_with_the_publishers_columns(settings: Settings, good: Path) -> None:
    report = run(settings, good)
    assert {batch["table"]: batch["rows"] for batch in report.landed} == {
        **dict.fromkeys(GOOD, 2),
        **dict.fromkeys(("demographics", "campaign_descriptions", "coupon_redemptions"), 1),
    }
    assert report.summary() == "landed 8, unchanged 0, quarantined 0"
    for table, query in GOOD.items():
        batches = settings.landing / "complete_journey" / table / "*" / "data.parquet"
        with duckdb.connect() as connection:
            landed = connection.execute(f"SELECT * FROM read_parquet('{batches}')")
            assert [each[0] for each in landed.description] == [
                each[0] for each in connection.execute(query).description
            ]


def test_batch_json_describes_the_batch(settings: Settings, good: Path) -> None:
    report = run(settings, good)
    path = Path(report.landed[0]["path"]) / "batch.json"
    with duckdb.connect() as connection:
        row = connection.execute(f"SELECT * FROM read_json('{path}')")
        names = [each[0] for each in row.description]
        batch = dict(zip(names, row.fetchone(), strict=True))
    assert batch["sha256"] == path.parent.name
    assert (batch["source"], batch["table"]) == ("complete_journey", "transactions")
    assert (batch["original_name"], batch["rows"]) == ("transactions.parquet", 2)


def test_ingesting_the_same_files_again_changes_nothing(settings: Settings, good: Path) -> None:
    run(settings, good)
    before = tree(settings.home)
    report = run(settings, good)
    assert (len(report.landed), len(report.unchanged)) == (0, 8)
    assert tree(settings.home) == before


def change(column: str, value: str) -> Callable[[Path], None]:
    """Rewrite the transactions with one column's values changed."""

    def apply(path: Path) -> None:
        write(INTEGERS.format(f"{value} AS {column}", GOOD["transactions"]), path)

    return apply


def query(text: str) -> Callable[[Path], None]:
    return lambda path: write(text.format(GOOD["transactions"]), path)


def torn_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4:60] = bytes(56)
    path.write_bytes(data)


AT = "transaction_timestamp"
BROKEN = {
    "empty file": (lambda path: path.write_bytes(b""), "unreadable_file", None),
    "truncated": (
        lambda path: path.write_bytes(path.read_bytes()[:-300]),
        "unreadable_file",
        None,
    ),
    "torn page": (torn_page, "unreadable_file", None),
    "not Parquet": (lambda path: path.write_text("household_id\n1\n"), "unreadable_file", None),
    "no rows": (query("SELECT * FROM ({}) WHERE false"), "no_rows", None),
    "missing column": (query("SELECT * EXCLUDE (week) FROM ({})"), "missing_column", "week"),
    "renamed column": (
        query("SELECT * RENAME (quantity AS qty) FROM ({})"),
        "missing_column",
        "quantity",
    ),
    "other case": (query("SELECT * RENAME (week AS Week) FROM ({})"), "missing_column", "week"),
    "extra column": (query("SELECT *, 1 AS more FROM ({})"), "unexpected_column", "more"),
    "text for a number": (change("quantity", "'two'"), "wrong_type", "quantity"),
    "fraction for an integer": (change("quantity", "1.5::DOUBLE"), "wrong_type", "quantity"),
    "null": (change("household_id", "NULL::BIGINT"), "null_value", "household_id"),
    "NaN": (change("sales_value", "'nan'::DOUBLE"), "not_finite", "sales_value"),
    "infinity": (change("coupon_disc", "'inf'::DOUBLE"), "not_finite", "coupon_disc"),
    "negative quantity": (change("quantity", "-1"), "negative_quantity", "quantity"),
    "negative money": (change("sales_value", "-0.01::DOUBLE"), "not_allowed", "sales_value"),
    "week 54": (change("week", "54"), "not_allowed", "week"),
    "duplicate key": (
        query("FROM ({0}) UNION ALL FROM ({0})"),
        "duplicate_key",
        "basket_id, product_id",
    ),
    "future": (change(AT, "TIMESTAMP '2020-01-01 00:10:01'"), "timestamp_future", AT),
    "nanosecond type": (change(AT, f"{AT}::TIMESTAMP_NS"), "timestamp_nanoseconds", AT),
    "nanoseconds since 1970": (change(AT, f"epoch_ns({AT})"), "timestamp_nanoseconds", AT),
    "nanoseconds as microseconds": (
        change(AT, f"make_timestamp(epoch_ns({AT}))"),
        "timestamp_nanoseconds",
        AT,
    ),
    "number of no unit": (change(AT, f"epoch_ms({AT})"), "wrong_type", AT),
    "no year, typed": (change(AT, "TIMESTAMP '1900-01-01 08:00:00'"), "timestamp_without_year", AT),
    "no year, text": (change(AT, "'01-01 08:00'"), "timestamp_without_year", AT),
    "infinite time": (change(AT, "TIMESTAMP 'infinity'"), "not_finite", AT),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_quarantines_invalid_file_and_lands_the_others(
    kind: str, settings: Settings, good: Path
) -> None:
    damage, code, column = BROKEN[kind]
    file = good / "transactions.parquet"
    damage(file)

    report = run(settings, good)

    assert len(report.landed) == 7
    [quarantined] = report.quarantined
    kept = Path(quarantined["path"])
    assert (kept / file.name).read_bytes() == file.read_bytes()
    reason = json.loads((kept / "reason.json").read_text())
    assert (reason["table"], reason["original_name"]) == ("transactions", file.name)
    assert (code, column) in [(each["code"], each["column"]) for each in reason["reasons"]]
    assert "quarantined 1 (transactions: transactions.parquet: " in report.summary()
    assert "\n" not in report.summary()


def test_reports_every_reason_with_its_number_of_rows(settings: Settings, good: Path) -> None:
    write(
        f"""SELECT * REPLACE (-1 AS quantity, 'nan'::DOUBLE AS sales_value) FROM
        ({GOOD["transactions"]}) UNION ALL FROM ({GOOD["transactions"]})""",
        good / "transactions.parquet",
    )
    [quarantined] = run(settings, good).quarantined
    assert {(each["code"], each["rows"]) for each in quarantined["reasons"]} == {
        ("not_finite", 2),
        ("negative_quantity", 2),
        ("duplicate_key", 2),
    }


def test_checks_quarantined_file_again(settings: Settings, good: Path) -> None:
    change(AT, "TIMESTAMP '2020-06-01'")(good / "transactions.parquet")
    run(settings, good)
    before = tree(settings.home)
    again = run(settings, good)
    assert len(again.quarantined) == 1
    assert tree(settings.home) == before, "quarantined again for the same reasons"

    later = ingest(settings, "complete_journey", good, now=datetime(2021, 1, 1))
    assert [batch["table"] for batch in later.landed] == ["transactions"]
    assert not list(settings.quarantine.rglob("reason.json"))


def test_unreadable_reason_does_not_contain_the_home(settings: Settings, good: Path) -> None:
    (good / "coupons.parquet").write_bytes(b"PAR1 nothing PAR1")
    [quarantined] = run(settings, good).quarantined
    assert str(settings.home) not in quarantined["reasons"][0]["detail"]


def test_missing_file_is_a_usage_error(settings: Settings, good: Path) -> None:
    (good / "coupons.parquet").unlink()
    with pytest.raises(UsageError, match=r"has no coupons\.parquet"):
        run(settings, good)


def test_no_landed_file_is_a_data_error(settings: Settings, good: Path) -> None:
    for file in good.iterdir():
        file.write_bytes(b"rubbish")
    with pytest.raises(DataError, match=r"landed 0, .* and 5 more"):
        run(settings, good)
    assert len(list(settings.quarantine.rglob("reason.json"))) == 8


def test_unknown_source_error_lists_the_sources(settings: Settings) -> None:
    with pytest.raises(
        UsageError,
        match="complete_journey, feedback, files, insights, online_retail, open_bandit, simulator",
    ):
        ingest(settings, source="comlete_journey")


def test_lands_the_package(settings: Settings) -> None:
    report = ingest(settings, source="complete_journey")
    rows = {batch["table"]: batch["rows"] for batch in report.landed}
    assert not report.quarantined
    assert (rows["transactions"], rows["promotions"]) == (1_469_307, 20_940_529)
