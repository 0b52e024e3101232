"""Features that know the future do not go live."""

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from penchant.artifacts import Snapshot
from penchant.building.future import check_no_future, differences
from penchant.building.landed import read_landing
from penchant.manifest import Column, Mart
from penchant.settings import Settings

AT, INTERVAL = datetime(2024, 3, 1), timedelta(days=28)
COLUMNS = ("user_id", "feature_at", "spend", "spend_next", "built_at")
MART = Mart(
    name="m",
    folder="features",
    description="",
    columns=tuple(
        Column(name, "DOUBLE", "", True, {"wall_clock": True} if name == "built_at" else {})
        for name in COLUMNS
    ),
    primary_key=("user_id", "feature_at"),
    relationships=(),
    accepted_values={},
    meta={},
)
BOTH = [("u1", AT, 1.0, 2.0, 5.0), ("u2", AT, 3.0, None, 5.0)]


def write(folder: Path, rows: list[tuple[object, ...]]) -> Path:
    folder.mkdir()
    with duckdb.connect() as connection:
        connection.execute(
            "create table m (user_id varchar, feature_at timestamp, spend double, "
            "spend_next double, built_at double)"
        )
        connection.executemany("insert into m values (?, ?, ?, ?, ?)", rows)
        connection.execute(f"copy m to '{folder / 'm.parquet'}' (format parquet)")
    return folder


def found(tmp_path: Path, whole: list[tuple[object, ...]], cut: list[tuple[object, ...]]) -> list:
    folders = write(tmp_path / "whole", whole), write(tmp_path / "cut", cut)
    with duckdb.connect() as connection:
        return [
            (one.column, one.rows, one.example)
            for one in differences(connection, MART, *folders, AT, INTERVAL)
        ]


def test_column_that_changes_with_later_events_is_named(tmp_path: Path) -> None:
    cut = [("u1", AT, 1.0, 0.0, 6.0), ("u2", AT, 3.0, None, 6.0)]
    later = ("u1", datetime(2024, 3, 29), 9.0, 9.0, 5.0)  # of another feature time
    assert found(tmp_path, [*BOTH, later], cut) == [
        ("spend_next", 1, "u1 2024-03-01 00:00:00: 2.0 with later events, 0.0 without")
    ]


def test_rows_that_later_events_add_are_a_difference(tmp_path: Path) -> None:
    assert found(tmp_path, BOTH, BOTH[:1]) == [
        ("(rows more with later events)", 1, "u2 2024-03-01 00:00:00")
    ]


def test_equal_rows_are_no_difference(tmp_path: Path) -> None:
    assert found(tmp_path, BOTH, BOTH) == []


@pytest.mark.long
def test_the_project_as_installed_knows_no_future(built_home: Settings) -> None:
    snapshot = Snapshot.open(built_home, next(built_home.snapshots.glob("s-*")).name)
    landing = read_landing(built_home)
    check_no_future(built_home, landing, snapshot.manifest, snapshot.path / "marts")
    assert not (built_home.warehouse.parent / "earlier").exists()
