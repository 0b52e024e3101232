"""Pseudonyms, the decision of a home for them, its key, and the vault."""

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from penchant.errors import DataError, UsageError
from penchant.home_key import home_key
from penchant.ingestion.ingest import IngestReport, ingest
from penchant.pseudonyms import Coder, Pseudonyms
from penchant.serving.status import at_rest, user_ids
from penchant.settings import Settings
from penchant.subjects import Subjects
from penchant.vault import Vault

NOW = datetime(2026, 3, 1)
KEY, OTHER_KEY = bytes(range(32)), bytes(32)
Land = Callable[[str], IngestReport]


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """A new home, as a user's: nothing says that it is not to have pseudonyms."""
    return Settings.model_validate({"home": tmp_path / "home", "threads": 1})


@pytest.fixture
def land(home: Settings, tmp_path: Path) -> Land:
    """Land a file of users or of events, by its text."""
    files, mapping = tmp_path / "files", tmp_path / "mapping.yml"
    files.mkdir()
    columns = "event_id: id, user_id: user, session_id: session, item_id: item, event_at: at"
    mapping.write_text(
        "tables:\n  users:\n    path: users*.csv\n    columns: {user_id: id}\n"
        f"  events:\n    path: events*.csv\n    columns: {{{columns}, event_type: type}}\n"
    )
    (files / "events-0.csv").write_text("id,user,session,item,at,type\n")
    (files / "users-0.csv").write_text("id\n")

    def landed(text: str) -> IngestReport:
        table = "users" if text.startswith("id\n") else "events"
        number = len(list(files.iterdir()))
        (files / f"{table}-{number}.csv").write_text(text)
        return ingest(home, "files", files, mapping, now=NOW)

    return landed


def column(settings: Settings, table: str, name: str) -> list[str]:
    """Values of all landed batches."""
    files = settings.landing.glob(f"files/{table}/*/data.parquet")
    return [value for file in sorted(files) for value in pq.read_table(file)[name].to_pylist()]


def test_the_pseudonym_of_a_pseudonym_is_itself_but_not_of_another_homes() -> None:
    coder, other = Coder.of_key(KEY), Coder.of_key(OTHER_KEY)
    pseudonym = coder.of("anna@example.org")
    assert len(pseudonym) == 28
    assert coder.of(pseudonym) == pseudonym and coder.owns(pseudonym)
    assert not other.owns(pseudonym) and other.of(pseudonym) != pseudonym
    assert not coder.owns(pseudonym[:-2] + "aa") and not coder.owns("u-" + "a" * 26)


def test_landed_rows_have_pseudonyms_and_the_vault_leads_back(home: Settings, land: Land) -> None:
    land("id\nanna@example.org\n4711\nanna@example.org \n")
    landed = column(home, "users", "user_id")
    assert len(set(landed)) == 3 and all(len(each) == 28 for each in landed)
    known = Vault(home).reveal(landed)
    assert [known[each] for each in landed] == ["anna@example.org", "4711", "anna@example.org "]
    assert b"anna" not in b"".join(
        file.read_bytes() for file in home.home.rglob("*") if file.is_file()
    )


def test_landing_imports_no_library_of_tables(tmp_path: Path) -> None:
    """They take longer to import than a day takes to land."""
    (tmp_path / "users.csv").write_text("id\nanna\n")
    (tmp_path / "mapping.yml").write_text(
        "tables:\n  users:\n    path: users.csv\n    columns: {user_id: id}\n"
    )
    code = f"""
import sys
from pathlib import Path
import penchant.cli
from penchant.ingestion.ingest import ingest
from penchant.settings import Settings

folder = Path({str(tmp_path)!r})
report = ingest(Settings(home=folder / "home"), "files", folder, folder / "mapping.yml")
assert len(report.landed) == 1
sys.exit(any(name in sys.modules for name in ("pandas", "pyarrow", "fsspec")))
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_session_of_a_guest_has_the_pseudonym_too(home: Settings, land: Land) -> None:
    land(
        "id,user,session,item,at,type\n"
        "1,,guest-77,i1,2026-02-01 10:00:00,view\n2,anna,s-1,i1,2026-02-01 10:00:00,view\n"
    )
    users, sessions = column(home, "events", "user_id"), column(home, "events", "session_id")
    assert sessions == [users[0], "s-1"]
    assert Vault(home).reveal(users) == dict(zip(users, ["session:guest-77", "anna"], strict=True))


def test_a_rejected_file_leaves_its_reasons_alone(home: Settings, land: Land) -> None:
    report = land("id,user,session,item,at,type\n1,anna,s,i1,yesterday,view\n")
    (rejected,) = report.quarantined
    assert [file.name for file in Path(rejected["path"]).iterdir()] == ["reason.json"]


def test_a_home_decides_once(home: Settings, land: Land) -> None:
    land("id\nu1\n")
    later = home.model_copy(update={"pseudonyms": False})
    assert Pseudonyms(later).of("u1") != "u1" and user_ids(later) == "pseudonyms"


def test_a_home_without_pseudonyms_stays_so(home: Settings, tmp_path: Path) -> None:
    raw = home.model_copy(update={"pseudonyms": False})
    ingest(raw, "simulator", users=3, items=3, days=3, now=NOW)
    assert Pseudonyms(home).of("u1") == "u1" and "PENCHANT_PSEUDONYMS=false" in user_ids(home)


def test_a_home_from_before_stays_as_it_is_and_says_so(home: Settings) -> None:
    ingest(home.model_copy(update={"pseudonyms": False}), "simulator", users=3, items=3, days=3)
    (home.privacy / "pseudonyms.json").unlink()
    ingest(home, "simulator", users=4, items=3, days=3)
    files = home.landing.glob("simulator/users/*/data.parquet")
    landed = {each for file in files for each in pq.read_table(file)["user_id"].to_pylist()}
    assert "u00003" in landed and "penchant pseudonymize" in user_ids(home)


def test_the_status_says_what_is_encrypted(home: Settings, land: Land) -> None:
    assert at_rest(home).startswith("nothing is encrypted")
    land("id\nu1\n")
    assert "a copy of the home has it too" in at_rest(home)
    key = (home.privacy / "key").read_bytes().hex()
    (home.privacy / "key").unlink()
    assert "its key is elsewhere" in at_rest(home.model_copy(update={"key": key}))


def test_a_late_file_does_not_bring_an_erased_person_back(home: Settings, land: Land) -> None:
    land("id\nu1\nu2\n")
    pseudonym = Pseudonyms(home).of("u1")
    Subjects(home).request("erase", pseudonym, NOW)
    Vault(home).forget([pseudonym])
    land("id\nu1\nu3\n")
    assert len(column(home, "users", "user_id")) == 3
    assert Vault(home).reveal([pseudonym]) == {}


def test_a_request_by_id_and_one_by_pseudonym_are_the_same(home: Settings) -> None:
    subjects = Subjects(home)
    pseudonym = subjects.pseudonym("u1")
    first = subjects.request("erase", "u1", NOW)
    assert subjects.request("erase", pseudonym, NOW) == first
    assert subjects.erased(["u1", pseudonym, "u2"]) == {"u1", pseudonym}


def test_another_key_is_an_error(home: Settings, land: Land) -> None:
    land("id\nu1\n")
    other = home.model_copy(update={"key_command": f"printf {'0' * 64}"})
    with pytest.raises(DataError, match=r"PENCHANT_KEY_COMMAND: not the key of this home"):
        Pseudonyms(other).of("u1")
    with pytest.raises(DataError, match="made with the key"):
        Vault(other).reveal(["u1"])
    (home.privacy / "key").unlink()
    with pytest.raises(DataError, match="key is missing"):
        Pseudonyms(home).of("u1")


def test_a_home_that_lost_its_decision_takes_no_user_ids(home: Settings, land: Land) -> None:
    land("id\nu1\n")
    (home.privacy / "pseudonyms.json").unlink()
    for ask in (Pseudonyms(home).establish, partial(Pseudonyms(home).of, "u1")):
        with pytest.raises(DataError, match=r"pseudonyms.json is missing, but .*vault.db is there"):
            ask()
    (home.privacy / "key").unlink()
    with pytest.raises(DataError, match=r"key is missing, but .*vault.db was made with it"):
        Vault(home).reveal(["u-a"])


def test_an_entry_of_the_vault_that_was_exchanged_is_an_error(home: Settings) -> None:
    vault = Vault(home)
    vault.remember({"u-a": "anna", "u-b": "bert"})
    with closing(sqlite3.connect(vault.path)) as connection, connection:
        connection.execute("UPDATE people SET sealed = (SELECT max(sealed) FROM people)")
    with pytest.raises(DataError, match="was changed"):
        vault.reveal(["u-a", "u-b"])


class KilledMidway(sqlite3.Connection):
    """Ends before it writes which key a new vault is made with."""

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if "INTO made_with" in sql:
            raise KeyboardInterrupt
        return super().execute(sql, *parameters)


def test_a_vault_that_was_killed_while_it_was_made_is_made_again(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(
            "penchant.vault.sqlite3.connect", partial(sqlite3.connect, factory=KilledMidway)
        )
        with pytest.raises(KeyboardInterrupt):
            Vault(home).remember({"u-a": "anna"})
    Vault(home).remember({"u-a": "anna"})
    assert Vault(home).reveal(["u-a"]) == {"u-a": "anna"}


@pytest.mark.parametrize("linked", [False, True])
def test_what_a_kill_leaves_of_a_new_vault_is_removed(home: Settings, linked: bool) -> None:
    """Killed before the file got its name, or just after."""
    left = home.privacy / ".staging-vault.db-0a1b2c3d"
    if linked:
        Vault(home).remember({"u-a": "anna"})
        left.hardlink_to(Vault(home).path)
        Vault(home).forget(["u-b"])
    else:
        home_key(home)
        left.write_bytes(b"")
        left.with_name(f"{left.name}-wal").write_bytes(b"")
        Vault(home).remember({"u-a": "anna"})
    assert not list(home.privacy.glob(".staging-*"))
    assert Vault(home).reveal(["u-a"]) == {"u-a": "anna"}


def test_a_file_that_is_no_vault_is_an_error(home: Settings) -> None:
    home_key(home)
    Vault(home).path.write_bytes(b"x" * 5000)
    with pytest.raises(DataError, match=r"vault.db is damaged"):
        Vault(home).reveal(["u-a"])


def test_the_key_comes_from_a_setting_a_file_or_a_command(home: Settings, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY.hex() + "\n")
    given = {"key": KEY.hex(), "key_file": file, "key_command": f"cat {file}"}
    for name, value in given.items():
        settings = Settings.model_validate({"home": home.home, name: value})
        assert home_key(settings) == KEY
    assert not home.privacy.exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"key": "12"}, r"PENCHANT_KEY: must be 64 hex digits, got 2 characters"),
        ({"key_file": "/nowhere/key"}, r"PENCHANT_KEY_FILE /nowhere/key: .*No such file"),
        ({"key_command": "false"}, "PENCHANT_KEY_COMMAND 'false' exited with status 1"),
        ({"key_command": "no-such-program"}, "no-such-program"),
        ({"key": "0" * 64, "key_command": "true"}, "more than one is set"),
    ],
)
def test_a_setting_without_a_key_is_an_error(
    home: Settings, given: dict[str, str], message: str
) -> None:
    settings = Settings.model_validate({"home": home.home, **given})
    with pytest.raises(UsageError, match=message):
        home_key(settings)


def test_privacy_files_are_for_the_owner_only(home: Settings, land: Land) -> None:
    land("id\nu1\n")
    assert home.privacy.stat().st_mode & 0o077 == 0
    assert Vault(home).path.stat().st_mode & 0o077 == 0


def test_a_file_with_pseudonyms_of_another_home_is_rejected(home: Settings, land: Land) -> None:
    foreign = Coder.of_key(OTHER_KEY).of("anna")
    report = land(f"id\nbert\n{foreign}\n")
    (outcome,) = report.quarantined
    (reason,) = outcome["reasons"]
    assert (reason["code"], reason["column"], reason["rows"]) == ("not_allowed", "user_id", 1)
    assert "a pseudonym of another home" in reason["detail"]
    own = Pseudonyms(home).of("bert")
    assert len(land(f"id\n{own}\n").quarantined) == 1  # the first file again, not the second


def test_two_unicode_forms_of_an_id_are_two_people(home: Settings, land: Land) -> None:
    land("id\nJos\u00e9\nJose\u0301\n")
    assert len(set(column(home, "users", "user_id"))) == 2


def test_an_empty_vault_is_an_error_and_not_made_again(home: Settings) -> None:
    Pseudonyms(home).establish()
    vault = Vault(home)
    vault.remember({Pseudonyms(home).of("anna"): "anna"})
    assert stat.S_IMODE(vault.path.stat().st_mode) == 0o600
    assert not list(home.privacy.glob(".staging-*"))
    vault.path.write_bytes(b"")
    for read_or_write in (
        lambda: vault.reveal(["u-a"]),
        lambda: vault.remember({"u-a": "a"}),
        lambda: vault.forget(["u-a"]),
    ):
        with pytest.raises(DataError, match=r"vault.db is damaged: it has 0 bytes"):
            read_or_write()
    assert vault.path.stat().st_size == 0
