"""Two versions of a mart, and two versions of a manifest."""

import copy
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from penchant.artifacts import Snapshot
from penchant.building.landed import Landing
from penchant.manifest import Column, Mart
from penchant.previewing import preview
from penchant.previewing.changes import find_edit
from penchant.previewing.comparison import compare
from penchant.settings import Settings

MART = Mart(
    name="m",
    folder="features",
    description="",
    columns=tuple(Column(name, "DOUBLE", "", True, {}) for name in ("id", "spend", "kind")),
    primary_key=("id",),
    relationships=(),
    accepted_values={},
    meta={},
)


def written(file: Path, query: str) -> Path:
    duckdb.execute(f"copy ({query}) to '{file}' (format parquet)")
    return file


def test_rows_and_columns_that_differ(tmp_path: Path) -> None:
    before = written(
        tmp_path / "b",
        "from (values ('a', 1.0::double, 1), ('b', 2, 1), ('c', 3, 1)) t(id, spend, old)",
    )
    after = written(
        tmp_path / "a",
        "from (values ('a', 1.0::double, 'x'), ('b', null, 'x'), ('d', 4, '')) t(id, spend, kind)",
    )
    with duckdb.connect() as connection:
        change = compare(connection, MART, before, after)
        same = compare(connection, MART, before, before)
        new = compare(connection, MART, None, after)
    assert (change.added, change.removed, change.changed) == (1, 1, 1)
    assert [(one.column, one.what) for one in change.columns] == [
        ("spend", "1 rows have another value"),
        ("kind", "appears"),
        ("old", "vanishes"),
    ]
    assert str(change.columns[0].before) == "1 / 2 / 3, 3 values, 0 % null"
    assert str(change.columns[0].after) == "1 / 2.5 / 4, 2 values, 33.3 % null"
    assert same.is_equal and new.added == 3


def test_column_that_changes_its_type(tmp_path: Path) -> None:
    before = written(tmp_path / "b", "select 'a' as id, 1.0::double as spend, 1.0::double as kind")
    after = written(tmp_path / "a", "select 'a' as id, '1' as spend, 1.0::double as kind")
    with duckdb.connect() as connection:
        change = compare(connection, MART, before, after)
    [column] = change.columns
    assert (column.column, column.what) == ("spend", "DOUBLE becomes VARCHAR")


def test_cost_is_of_the_live_snapshot_and_of_the_edit(tmp_path: Path) -> None:
    live, marts = Snapshot("s-1", tmp_path / "live"), tmp_path / "marts"
    for folder in (live.path / "marts", marts):
        folder.mkdir(parents=True)
    live.mart("m").write_bytes(b"12")
    (marts / "m.parquet").write_bytes(b"123")
    (marts / "new.parquet").write_bytes(b"1")
    for folder, seconds in ((live.path, 0.5), (tmp_path, 0.75)):
        results = [
            {"unique_id": f"model.penchant.{name}", "execution_time": seconds}
            for name in ("m", "new")[: 1 if folder == live.path else 2]
        ]
        (folder / "run_results.json").write_text(json.dumps({"results": results}))
    costs = preview._costs(live, marts, tmp_path / "run_results.json")
    assert costs["m"] == preview.Cost(0.5, 0.75, 2, 3)
    assert costs["new"] == preview.Cost(None, 0.75, None, 1)


def test_marts_that_differ_when_built_again_are_named(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "marts").mkdir()
    query = "select 'a' as id, {}::double as spend, 1::double as kind"
    written(tmp_path / "marts" / "m.parquet", query.format(1))

    def build(other: Settings, landing: Landing, marts: Path, *_: str, database: Path) -> None:
        assert other.threads != settings.threads
        written(marts / "m.parquet", query.format(2))

    monkeypatch.setattr(preview, "run_dbt", build)
    landing = Landing((), datetime(2024, 3, 1))
    assert preview._unequal(settings, landing, (MART,), tmp_path, ["m+"]) == (
        "m: two builds differ in 1 rows, spend: order its ties (critical)",
    )


def manifest() -> dict[str, Any]:
    def model(name: str, sql: str, macros: list[str]) -> dict[str, Any]:
        return {
            "resource_type": "model",
            "name": name,
            "raw_code": sql,
            "columns": {},
            "constraints": [],
            "config": {"meta": {}, "materialized": "table"},
            "depends_on": {"macros": macros},
        }

    macros = {
        "macro.penchant.outer": {
            "macro_sql": "{{ inner() }}",
            "depends_on": {"macros": ["macro.penchant.inner"]},
        },
        "macro.penchant.inner": {"macro_sql": "1", "depends_on": {"macros": []}},
    }
    return {
        "nodes": {
            "model.penchant.a": model("a", "select 1 -- one", ["macro.penchant.outer"]),
            "model.penchant.b": model("b", "select * from a", []),
        },
        "macros": macros,
        "child_map": {"model.penchant.a": ["model.penchant.b", "test.penchant.t"]},
        "exposures": {
            "exposure.penchant.e": {"name": "e", "depends_on": {"nodes": ["model.penchant.b"]}}
        },
    }


def test_what_an_edit_changes(tmp_path: Path) -> None:
    def edit_by(change: Any) -> Any:
        after = copy.deepcopy(manifest())
        change(after)
        for name, content in (("before", manifest()), ("after", after)):
            (tmp_path / name).write_text(json.dumps(content))
        return find_edit(tmp_path / "before", tmp_path / "after")

    def comment(after: dict[str, Any]) -> None:
        after["nodes"]["model.penchant.a"]["raw_code"] = "select   1 -- two"

    def macro(after: dict[str, Any]) -> None:
        after["macros"]["macro.penchant.inner"]["macro_sql"] = "2"

    assert not edit_by(comment)
    edit = edit_by(macro)
    assert edit.changed == {"a": "a macro"} and edit.children == ("b",)
    assert edit.exposures == {"e": ("b",)}
    assert edit_by(lambda after: after["nodes"].pop("model.penchant.b")).removed == ("b",)
