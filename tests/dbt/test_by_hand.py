"""dbt's commands on a database beside production's."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import jinja2
import pytest

from penchant.building import by_hand
from penchant.building.build import build
from penchant.building.dbt import dbt_variables
from penchant.building.landed import Batch, Landing
from penchant.errors import PenchantError
from penchant.privacy.encrypt import encrypt
from penchant.settings import PROJECT_ROOT, Settings
from penchant.storage import held_alone

COMMANDS = re.compile(r"^\.\./\.venv/bin/dbt (.+)$", re.MULTILINE)  # of the analysts' page
FAILED = re.compile(r"Encountered an error|ERROR=[1-9]|WARN=[1-9]|WARNING|\[ERROR")
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
    by_hand.prepare(settings)
    with duckdb.connect(str(by_hand.database_of(settings))) as connection:
        assert connection.execute("from int_events").fetchall() == [(1,)]
        assert connection.execute("from users").fetchall() == [("ann",)]
        connection.execute("create table mine as select 1")
    by_hand.prepare(settings)  # as new as production's: kept
    with duckdb.connect(str(by_hand.database_of(settings))) as connection:
        assert connection.execute("from mine").fetchall() == [(1,)]


def test_older_copy_is_used_while_a_build_runs(settings: Settings) -> None:
    built(settings)
    by_hand.prepare(settings)
    later = by_hand.database_of(settings).stat().st_mtime + 9
    os.utime(settings.warehouse, (later, later))
    with held_alone(settings.warehouse.parent):
        by_hand.prepare(settings)
    assert by_hand.database_of(settings).stat().st_mtime < later


def test_state_is_the_live_snapshot(settings: Settings) -> None:
    built(settings)
    settings.live_snapshot.flip("s-20240301-00000000000a")
    by_hand.prepare(settings)
    assert (by_hand.live_of(settings) / "snapshot.json").exists()
    settings.live_snapshot.flip("s-20240302-00000000000b")
    by_hand.prepare(settings)
    assert by_hand.live_of(settings).readlink().name == "s-20240302-00000000000b"


def test_dbt_reads_what_a_build_passes(settings: Settings) -> None:
    """User ids are text of others: marks of templates in them are text."""
    hostile = "{{ 1 / 0 }}{% raw %}#}'\"\\ Zoë"
    landing = replace(
        LANDING,
        batches=(Batch("files", "events", "2024-03-01", "e.csv", "a" * 64),),
        objecting=(hostile,),
    )
    by_hand.write_variables(settings, landing)
    package = by_hand.folder_of(settings) / "packages" / by_hand.PACKAGE
    returned: list[Any] = []
    template = jinja2.Environment().from_string(
        (package / "macros" / "landing.sql").read_text() + "{{ variables() }}"
    )
    template.render({"fromjson": json.loads, "return": returned.append})
    passed = json.loads(json.dumps(dbt_variables(settings, landing)))
    assert returned == [passed]
    assert passed["objecting_users"] == [hostile] and passed["sources"] == ["files"]


def test_new_variables_have_dbt_parse_everything_again(settings: Settings) -> None:
    described = by_hand.folder_of(settings) / "packages" / by_hand.PACKAGE / "dbt_project.yml"
    by_hand.write_variables(settings, LANDING)
    before = described.read_text()
    by_hand.write_variables(settings, replace(LANDING, as_of=datetime(2024, 3, 2)))
    assert described.read_text() == before
    by_hand.write_variables(settings, replace(LANDING, objecting=("u1",)))
    assert described.read_text() != before


def dbt(project: Path, *arguments: str, **variables: str) -> str:
    """Run dbt as in a shell, with no other variable of Penchant; return what it prints."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PENCHANT_", "DBT_"))}
    environment |= variables
    done = subprocess.run(
        [Path(sys.executable).with_name("dbt"), "--no-use-colors", *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.long
def test_dbt_itself_works_in_the_project(checked_once: Path, tmp_path: Path) -> None:
    project = tmp_path / "dbt"
    shutil.copytree(PROJECT_ROOT / "dbt", project, ignore=shutil.ignore_patterns("target", "logs"))
    assert "All checks passed!" in dbt(project, "debug")
    printed = dbt(project, "build")
    assert "run `penchant ingest` and `penchant build` first" in printed
    assert "penchant.marts.core.users" in dbt(project, "ls", "--resource-type", "model")

    shutil.rmtree(tmp_path / ".penchant")
    shutil.copytree(checked_once, tmp_path / ".penchant", symlinks=True)
    production = tmp_path / ".penchant" / "warehouse" / "penchant.duckdb"
    written = production.stat().st_mtime_ns
    mart = project / "models" / "marts" / "features" / "user_lifecycle.sql"
    mart.write_text(mart.read_text() + "-- a comment at the end")
    for command in COMMANDS.findall((PROJECT_ROOT / "docs" / "analysts.md").read_text()):
        printed = dbt(project, *command.split())
        assert not FAILED.search(printed), f"{command}: {printed}"
        if "state:modified" in command:
            assert "2 external models," in printed  # and its child
    assert (tmp_path / ".penchant" / "by_hand" / "marts" / "user_portrait.parquet").is_dir()
    assert production.stat().st_mtime_ns == written


@pytest.mark.long
def test_dbt_itself_works_in_an_encrypted_home(
    checked_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it writes is not encrypted, as the page about privacy says."""
    project, home = tmp_path / "dbt", tmp_path / ".penchant"
    shutil.copytree(PROJECT_ROOT / "dbt", project, ignore=shutil.ignore_patterns("target", "logs"))
    shutil.copytree(checked_once, home, symlinks=True)
    (tmp_path / "key").write_text("5a" * 32)
    monkeypatch.setenv("PENCHANT_KEY_FILE", str(tmp_path / "key"))
    encrypt(Settings(home=home, key_file=tmp_path / "key"))
    printed = dbt(project, "build", "--select", "user_lifecycle")
    assert "set PENCHANT_KEY_FILE" in printed and "Traceback" not in printed, printed
    for select in ("stg_simulator__events", "user_lifecycle"):
        printed = dbt(project, "build", "--select", select, PENCHANT_KEY_FILE=str(tmp_path / "key"))
        assert not FAILED.search(printed), printed
    shown = dbt(project, "show", "--select", "users", PENCHANT_KEY_FILE=str(tmp_path / "key"))
    assert "user_id" in shown, shown
    assert (home / "by_hand" / "marts" / "user_lifecycle.parquet").read_bytes()[:4] == b"PAR1"


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
