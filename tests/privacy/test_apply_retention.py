"""Retention of landed rows."""

import json
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from penchant.artifacts.receipt import RetentionReceipt
from penchant.building.landed import read_landing
from penchant.cli import app
from penchant.errors import NothingToDo, UsageError
from penchant.ingestion.ingest import ingest
from penchant.privacy.retention import apply_retention, terms
from penchant.pseudonyms import Pseudonyms
from penchant.settings import Settings
from penchant.vault import Vault

NOW = datetime(2026, 3, 1)
OLD, NEW = "2025-12-01 10:00:00", "2026-02-20 10:00:00"


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """Events of anna, long ago, of bert, both times, and of carl, lately, in a home as a user's."""
    files, mapping = tmp_path / "files", tmp_path / "mapping.yml"
    files.mkdir()
    columns = "event_id: id, user_id: user, session_id: session, item_id: item, event_at: at"
    mapping.write_text(
        f"tables:\n  events:\n    path: events*.csv\n    columns: {{{columns}, event_type: type}}\n"
    )
    rows = [f"{user},s,i,{at},view" for user, at in VISITS]
    text = "\n".join(f"{number},{row}" for number, row in enumerate(rows))
    (files / "events.csv").write_text(f"id,user,session,item,at,type\n{text}\n")
    settings = Settings.model_validate({"home": tmp_path / "home", "retention_days": 60})
    ingest(settings, "files", files, mapping, now=NOW)
    return settings


VISITS = [("anna", OLD), ("bert", OLD), ("bert", NEW), ("carl", NEW)]


def batch(settings: Settings) -> Path:
    (described,) = settings.landing.glob("files/events/*/batch.json")
    return described.parent


def users(settings: Settings) -> list[str]:
    landed = pq.read_table(batch(settings) / "data.parquet")["user_id"].to_pylist()
    known = Vault(settings).reveal(landed)
    return [known[each] for each in landed]


def described(settings: Settings) -> dict[str, object]:
    found = json.loads((batch(settings) / "batch.json").read_text())
    return {name: found.get(name) for name in ("rows", "expired")}


def test_rows_past_their_end_are_removed_with_a_signed_receipt(home: Settings) -> None:
    before = read_landing(home).batches[0].name
    report = apply_retention(home, NOW)
    assert report.removed == {"landing/files/events": 2}
    assert users(home) == ["bert", "carl"] and described(home) == {"rows": 2, "expired": 2}
    assert read_landing(home).batches[0].name != before
    receipt = RetentionReceipt.read(Path(report.receipt))
    assert receipt.removed == report.removed and receipt.days["landing/files/events"] == 60
    verified = CliRunner().invoke(
        app, ["subject", "verify", report.receipt], env={"PENCHANT_HOME": str(home.home)}
    )
    assert "authentic" in verified.stdout, verified.exception
    with pytest.raises(NothingToDo, match="no landed row is past its end"):
        apply_retention(home, NOW)


def test_people_of_whom_nothing_is_left_leave_the_vault(home: Settings) -> None:
    everybody = {name: Pseudonyms(home).of(name) for name in ("anna", "bert", "carl")}
    assert apply_retention(home, NOW).people == 1
    assert sorted(Vault(home).reveal(everybody.values()).values()) == ["bert", "carl"]


def test_a_killed_call_goes_on_and_counts_rows_once(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("penchant.privacy.retention.remove_where", killed)
        with pytest.raises(KeyboardInterrupt):
            apply_retention(home, NOW)
    assert described(home) == {"rows": 2, "expired": 2} and len(users(home)) == 4
    apply_retention(home, NOW)
    assert described(home) == {"rows": 2, "expired": 2} and len(users(home)) == 2


def test_people_leave_the_vault_after_a_kill_behind_the_last_removal(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> int:
        raise KeyboardInterrupt

    anna = Pseudonyms(home).of("anna")
    with monkeypatch.context() as patched:
        patched.setattr("penchant.privacy.retention.Vault.forget", killed)
        with pytest.raises(KeyboardInterrupt):
            apply_retention(home, NOW)
    assert Vault(home).reveal([anna]) == {anna: "anna"}
    assert apply_retention(home, NOW).people == 1
    assert Vault(home).reveal([anna]) == {}
    with pytest.raises(NothingToDo):
        apply_retention(home, NOW)


def test_a_table_may_have_its_own_end(
    home: Settings, edited_project: Callable[[str], Path]
) -> None:
    project = edited_project("{event_time: event_at, retention_days: 10000}")
    with pytest.raises(NothingToDo, match="past its end"):
        apply_retention(home.model_copy(update={"dbt_project": project}), NOW)


@pytest.mark.parametrize("days", ["0", "soon", "true", "-1", "1000000"])
def test_an_end_that_is_no_number_of_days_is_an_error(
    home: Settings, edited_project: Callable[[str], Path], days: str
) -> None:
    project = edited_project(f"{{event_time: event_at, retention_days: {days}}}")
    with pytest.raises(UsageError, match=r"source files, table events: .* must be a positive"):
        apply_retention(home.model_copy(update={"dbt_project": project}), NOW)


@pytest.fixture
def edited_project(home: Settings, tmp_path: Path) -> Callable[[str], Path]:
    """The dbt project with other meta of the table ``events`` of own files."""

    def edited(meta: str) -> Path:
        project = tmp_path / "dbt"
        shutil.copytree(home.dbt_project / "models" / "staging", project / "models" / "staging")
        file = project / "models" / "staging" / "files" / "_files.yml"
        text = file.read_text()
        assert "{event_time: event_at}" in text
        file.write_text(text.replace("{event_time: event_at}", meta))
        return project

    return edited


def test_without_a_term_nothing_ends(home: Settings) -> None:
    with pytest.raises(NothingToDo, match="no landed table has an end"):
        apply_retention(home.model_copy(update={"retention_days": None}), NOW)


def test_every_table_of_people_with_a_time_has_a_term(home: Settings) -> None:
    """The others: who people are, and propensities, which end with their impressions."""
    from penchant.ingestion.ingest import SOURCES

    timeless = {
        (name, contract.table)
        for name, source in SOURCES.items()
        for contract in source.CONTRACTS
        if contract.user_column
    } - {(term.source, term.table) for term in terms(home)}
    assert {table for _, table in timeless} == {
        *("users", "demographics", "campaigns", "user_identities")
    }
    landed = {(term.source, term.table): term.column for term in terms(home)}
    for (source, table), column in landed.items():
        contracts = {each.table: each for each in SOURCES[source].CONTRACTS}
        types = {each.name: each.type for each in contracts[table].columns}
        assert types[column] == "TIMESTAMP", (source, table)


def test_propensities_end_with_their_impressions(settings: Settings, built_once: Path) -> None:
    shutil.copytree(built_once, settings.home)
    first = datetime(2024, 4, 10, 12)  # three of six slates were shown before
    limited = settings.model_copy(update={"retention_days": 1})
    report = apply_retention(limited, first.replace(day=11))
    slates = {
        table: {
            slate
            for file in settings.landing.glob(f"feedback/{table}/*/data.parquet")
            for slate in pq.read_table(file)["slate_id"].to_pylist()
        }
        for table in ("impressions", "propensities")
    }
    assert report.removed["landing/feedback/propensities"] > 0
    assert slates["propensities"] == slates["impressions"] != set()


def test_two_calls_in_one_second_leave_two_receipts(home: Settings) -> None:
    first = apply_retention(home, NOW)
    stricter = home.model_copy(update={"retention_days": 5})
    second = apply_retention(stricter, NOW)
    assert first.receipt != second.receipt
    assert (
        RetentionReceipt.read(Path(first.receipt)).days
        != RetentionReceipt.read(Path(second.receipt)).days
    )
