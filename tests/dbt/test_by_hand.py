"""dbt's commands on a database beside production's."""

import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
import yaml

from penchant.building import by_hand
from penchant.building.build import build
from penchant.building.landed import Batch, Landing
from penchant.errors import PenchantError
from penchant.settings import Settings

LANDING = Landing((), datetime(2024, 3, 1))


def built(settings: Settings) -> None:
    """A database as a build leaves it, and its snapshot."""
    settings.warehouse.parent.mkdir(parents=True)
    with duckdb.connect(str(settings.warehouse)) as connection:
        connection.execute("create table int_events as select 1 as event_id")
        connection.execute("create view users as select 'gone' as user_id")
    marts = settings.snapshots / "s-20240301-00000000000a" / "marts"
    marts.mkdir(parents=True)
    duckdb.execute(f"copy (select 'ann' as user_id) to '{marts / 'users.parquet'}'")
    (marts.parent / "snapshot.json").write_text("{}")


def test_database_starts_with_upstream_tables_and_the_last_marts(settings: Settings) -> None:
    built(settings)
    by_hand.prepare(settings, LANDING)
    with duckdb.connect(str(by_hand.database_of(settings))) as connection:
        assert connection.execute("from int_events").fetchall() == [(1,)]
        assert connection.execute("from users").fetchall() == [("ann",)]
        connection.execute("create table mine as select 1")
    by_hand.prepare(settings, LANDING)  # as new as production's: kept
    with duckdb.connect(str(by_hand.database_of(settings))) as connection:
        assert connection.execute("from mine").fetchall() == [(1,)]


def test_project_has_variables_links_and_folders_of_its_own(settings: Settings) -> None:
    built(settings)
    landing = replace(LANDING, batches=(Batch("files", "events", "2024-03-01", "e.csv", "a" * 64),))
    by_hand.prepare(settings, landing)
    project = by_hand.project_of(settings)
    described = yaml.safe_load((project / "dbt_project.yml").read_text())
    assert described["vars"]["as_of"] == "2024-03-01 00:00:00"
    assert described["vars"]["canonical_tables"]["events"]["key"] == ["event_id"]
    staging = described["models"]["penchant"]["staging"]
    assert staging["files"]["+enabled"] is True and staging["simulator"]["+enabled"] is False
    assert (project / "models").resolve() == settings.dbt_project.resolve() / "models"
    profile = yaml.safe_load((project / "profiles.yml").read_text())
    database = profile["penchant"]["outputs"]["local"]["path"].split("'")[-2]
    assert (project / database).resolve() == by_hand.database_of(settings).resolve()
    assert "PENCHANT_WAREHOUSE" not in by_hand.environment(settings)


@pytest.mark.long
def test_dbt_builds_one_mart_by_hand(built_home: Settings) -> None:
    live = built_home.warehouse.stat().st_mtime_ns
    assert by_hand.run_by_hand(built_home, ["build", "--select", "user_lifecycle"]) == 0
    assert (built_home.home / "by_hand" / "marts" / "user_lifecycle.parquet").is_file()
    assert built_home.warehouse.stat().st_mtime_ns == live


@pytest.mark.long
def test_edit_of_unit_tests_runs_them_and_builds_nothing(
    built_home: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "dbt"
    shutil.copytree(
        built_home.dbt_project, project, ignore=shutil.ignore_patterns("target", "logs")
    )
    edited = built_home.model_copy(update={"dbt_project": project})
    described = project / "models" / "marts" / "features" / "user_lifecycle.yml"
    right = described.read_text()
    described.write_text(right.replace("u2 and u3 spent the same", "Two users spent the same"))
    assert build(edited).status == "unchanged"
    described.write_text(right.replace("lifecycle_stage: prospect}", "lifecycle_stage: new}"))
    with pytest.raises(PenchantError, match="a unit test of the dbt project failed"):
        build(edited)
    assert "fifths_and_stages" in capfd.readouterr().out
