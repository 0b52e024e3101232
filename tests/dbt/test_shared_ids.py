"""Two shops with equal ids in one home are named."""

from pathlib import Path

import duckdb

from penchant.building.shared_ids import shared_ids
from penchant.settings import PROJECT_ROOT


def test_sources_with_the_same_ids_are_named(tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        for model, rows in (
            ("stg_files__events", "('1', 'a'), ('2', 'b'), ('2', null)"),
            ("stg_simulator__events", "('2', 'x'), ('3', null)"),
            ("int_feedback__events", "('1', 'a')"),
        ):
            connection.execute(f"create table {model} as from (values {rows}) t(user_id, item_id)")
    dbt = PROJECT_ROOT / "dbt"
    assert shared_ids(warehouse, dbt, ["feedback", "files"]) == ()
    found = shared_ids(warehouse, dbt, ["feedback", "files", "simulator"])
    assert found[0] == "1 users of files and simulator have the same user_id"
    assert len(found) == 2
