"""Content hashes, snapshot ids, and the results of dbt."""

import json
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from penchant.building.build import identify
from penchant.building.content import describe
from penchant.building.dbt import _check_results
from penchant.building.landed import Batch, Landing
from penchant.errors import DataError, PenchantError
from penchant.manifest import Column, Mart
from penchant.settings import Settings


def hash_of(tmp_path: Path, rows: str, name: str = "a", kind: str = "BIGINT") -> str:
    parquet = tmp_path / "mart.parquet"
    columns = (
        Column(name, kind, "", False, {}),
        Column("b", "VARCHAR[]", "", True, {}),
        Column("landed", "TIMESTAMP", "", True, {"wall_clock": True}),
    )
    mart = Mart("mart", "core", "", columns, (name,), (), {}, {})
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select a::bigint as {name}, b, landed from (values {rows}) as t(a, b, landed)) "
            f"to '{parquet}' (format parquet)"
        )
        return describe(connection, mart, parquet).content_hash


ONE, TWO = "(1, ['x'], timestamp '2024-01-01')", "(2, ['y', null], timestamp '2024-01-01')"


def test_hash_ignores_row_order_and_wall_clock_columns(tmp_path: Path) -> None:
    later = ONE.replace("2024", "2025")
    assert hash_of(tmp_path, f"{ONE}, {TWO}") == hash_of(tmp_path, f"{TWO}, {later}")


@pytest.mark.parametrize(
    "rows",
    [ONE, f"{ONE}, {TWO}, {TWO}", f"{ONE}, {TWO}, {TWO}, {TWO}", f"{ONE}, (2, ['y'], null)"],
    ids=["a row less", "a row twice", "a row three times", "a value less"],
)
def test_hash_depends_on_every_row_and_its_copies(tmp_path: Path, rows: str) -> None:
    assert hash_of(tmp_path, rows) != hash_of(tmp_path, f"{ONE}, {TWO}")


def test_hash_depends_on_names_and_types(tmp_path: Path) -> None:
    assert (
        len(
            {
                hash_of(tmp_path, ONE),
                hash_of(tmp_path, ONE, "c"),
                hash_of(tmp_path, ONE, kind="INTEGER"),
            }
        )
        == 3
    )


def test_snapshot_id_depends_on_batch_order_but_not_on_landing_times(
    settings: Settings,
) -> None:
    def id_of(*batches: Batch) -> str:
        return identify(settings, Landing(tuple(sorted(batches)), datetime(2024, 1, 2)))

    monday, tuesday = Batch("s", "t", "mon.csv", "1", "aa"), Batch("s", "t", "tue.csv", "2", "bb")
    assert id_of(monday, tuesday) == id_of(
        Batch("s", "t", "mon.csv", "9", "aa"), Batch("s", "t", "tue.csv", "8", "bb")
    )
    first, fixed = Batch("s", "t", "a.csv", "1", "aa"), Batch("s", "t", "a.csv", "2", "bb")
    assert id_of(first, fixed) != id_of(
        Batch("s", "t", "a.csv", "2", "aa"), Batch("s", "t", "a.csv", "1", "bb")
    )


@pytest.mark.parametrize(
    ("status", "kind"), [("fail", DataError), ("error", PenchantError), ("skipped", PenchantError)]
)
def test_error_names_each_node_that_did_not_pass(tmp_path: Path, status: str, kind: type) -> None:
    results = [
        {"unique_id": "model.penchant.users", "status": "success", "message": "OK"},
        {"unique_id": "test.penchant.unique_users", "status": status, "message": "Got 2\n results"},
    ]
    run_results = tmp_path / "run_results.json"
    run_results.write_text(json.dumps({"results": results}))
    with pytest.raises(kind, match=r"test\.penchant\.unique_users: Got 2 results") as raised:
        _check_results(run_results, tmp_path / "dbt.log")
    assert type(raised.value) is kind
    assert "dbt.log" in str(raised.value)


def test_hash_of_shared_files_is_that_of_all_files(tmp_path: Path) -> None:
    mart = Mart("mart", "core", "", (Column("a", "BIGINT", "", False, {}),), ("a",), (), {}, {})
    old, new = tmp_path / "old", tmp_path / "new"
    with duckdb.connect() as connection:
        for folder, files in ((old, {"1": 10, "2": 5}), (new, {"2": 6, "3": 1})):
            folder.mkdir()
            for name, rows in files.items():
                to = folder / f"{name}.parquet"
                connection.execute(f"copy (from range({rows}) t(a)) to '{to}' (format parquet)")
        (new / "1.parquet").hardlink_to(old / "1.parquet")
        before = describe(connection, mart, old)
        assert describe(connection, mart, new, (before, old)) == describe(connection, mart, new)
        assert describe(connection, mart, new).rows == 17
