"""Tables of MySQL, landed by a mapping. DuckDB stands in for the server behind PyMySQL."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from own_files import COLUMNS, EVENTS, NOW, landed

from penchant.errors import PenchantError, UsageError
from penchant.ingestion.ingest import IngestReport, ingest
from penchant.settings import Settings

pymysql = pytest.importorskip("pymysql")
from pymysql.constants.FIELD_TYPE import DATETIME, TIMESTAMP, VAR_STRING  # noqa: E402

ADDRESS = "mysql://reader:secret@db.example:3307/shop"
KINDS = {"changed": TIMESTAMP, "event_at": DATETIME}


class Cursor:
    """Runs MySQL's SQL in DuckDB; values are text, as MySQL sends them."""

    def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
        self._database = database
        self._rows: list[tuple[Any, ...]] = []
        self.description: list[tuple[str, int]] = []

    def __enter__(self) -> "Cursor":
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute(self, sql: str, arguments: list[object] | None = None) -> None:
        if not sql.startswith("SELECT"):
            return
        query = re.sub("`([^`]+)`", r'"\1"', sql).replace("%s", "?")
        try:
            found = self._database.execute(query, arguments or [])
        except duckdb.CatalogException as error:
            raise pymysql.err.ProgrammingError(1146, "Table 'shop.none' doesn't exist") from error
        self.description = [(name, KINDS.get(name, VAR_STRING)) for name, *_ in found.description]
        self._rows = [tuple(_sent(value) for value in row) for row in found.fetchall()]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._rows)


class Connection:
    def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
        self._database = database

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None: ...

    def cursor(self) -> Cursor:
        return Cursor(self._database)


def _sent(value: object) -> object:
    return value if value is None or isinstance(value, bytes) else str(value)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[duckdb.DuckDBPyConnection]:
    """The database at ADDRESS, with a table of orders; elsewhere there is none."""
    with duckdb.connect() as database:
        database.execute(
            "CREATE TABLE orders (event_id int, user_id text, session_id text, item_id text, "
            "event_at text, paid decimal(9, 2), picture blob, changed text)"
        )

        def connect(**given: Any) -> Connection:
            if (given["host"], given["port"], given["database"]) != ("db.example", 3307, "shop"):
                raise pymysql.err.OperationalError(2003, "Can't connect to MySQL server")
            assert (given["user"], given["password"]) == ("reader", "secret")
            return Connection(database)

        monkeypatch.setattr(pymysql, "connect", connect)
        yield database


def run(settings: Settings, folder: Path, path: str = ADDRESS, **keys: Any) -> IngestReport:
    events = {**EVENTS, "columns": {**COLUMNS, "value": "paid"}, "path": path, **keys}
    mapping = {"timezone": "Europe/Berlin", "tables": {"events": events}}
    (folder / "m.yml").write_text(yaml.safe_dump(mapping))
    return ingest(settings, "files", mapping=folder / "m.yml", now=NOW)


def order(database: duckdb.DuckDBPyConnection, number: int, at: str, changed: str) -> None:
    row = "INSERT INTO orders VALUES (?, 'u \"1\",', 's', 'i', ?, 9.5, '\\x00\\xFF', ?)"
    database.execute(row, [number, at, changed])


def test_tables_land_whole_or_since_a_watermark(
    settings: Settings, tmp_path: Path, database: duckdb.DuckDBPyConnection
) -> None:
    """A DATETIME is in the time zone of the mapping, a TIMESTAMP in UTC."""
    order(database, 1, "2024-07-01 10:00:00", "2024-07-01 08:00:00")
    keys = {"from_table": "orders", "watermark": "changed"}
    run(settings, tmp_path, **keys)
    assert not run(settings, tmp_path, **keys).landed
    order(database, 2, "2024-07-01 11:00:00", "2024-07-01 09:00:00.5")
    [since] = run(settings, tmp_path, **keys).landed
    assert since["rows"] == 1
    assert since["original_name"] == "orders up to 2024-07-01 09:00:00.5.csv"
    assert landed(settings, "event_id, user_id, hour(event_at), value") == [
        ("1", 'u "1",', 8, 9.5),
        ("2", 'u "1",', 9, 9.5),
    ]
    of_changes = {**COLUMNS, "event_at": "changed"}
    [whole] = run(settings, tmp_path, from_table="orders", columns=of_changes).landed
    assert whole["rows"] == 2
    assert landed(settings, "event_id, hour(event_at)")[-1] == ("2", 9)


def test_zero_date_is_no_date(
    settings: Settings, tmp_path: Path, database: duckdb.DuckDBPyConnection
) -> None:
    order(database, 1, "2024-07-01 10:00:00", "2024-07-01 10:00:00")
    run(settings, tmp_path, from_table="orders")
    order(database, 2, "0000-00-00 00:00:00", "2024-07-01 10:00:00")
    [quarantined] = run(settings, tmp_path, from_table="orders").quarantined
    assert quarantined["reasons"][0]["code"] == "null_value"


def test_whole_numbers_are_compared_exactly(
    settings: Settings, tmp_path: Path, database: duckdb.DuckDBPyConnection
) -> None:
    """MySQL compares a number in text as a double, which is 2^53 for 2^53 + 1 too."""
    database.execute("ALTER TABLE orders ALTER changed TYPE bigint USING 0")
    keys = {"from_table": "orders", "watermark": "changed"}
    for number in (1, 2):
        order(database, number, "2024-07-01 10:00:00", str(2**53 + number - 1))
        [batch] = run(settings, tmp_path, **keys).landed
        assert batch["rows"] == 1


def test_errors_name_the_key(
    settings: Settings, tmp_path: Path, database: duckdb.DuckDBPyConnection
) -> None:
    with pytest.raises(UsageError, match=r"events\.path: Table 'shop\.none' doesn't exist"):
        run(settings, tmp_path, from_table="none")
    with pytest.raises(PenchantError, match=r"at other\.example/shop can't be read: Can't connect"):
        run(settings, tmp_path, "mysql://other.example/shop", from_table="orders")
    with pytest.raises(UsageError, match="from_table is missing"):
        run(settings, tmp_path)
