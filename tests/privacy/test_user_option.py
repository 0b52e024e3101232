"""User ids on the command line: pseudonyms inside, the ids that were given outside."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from penchant.cli import app
from penchant.commands.user import echoed
from penchant.errors import UsageError
from penchant.pseudonyms import Coder, Pseudonyms
from penchant.settings import Settings
from penchant.subjects import Subjects
from penchant.vault import Vault


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("PENCHANT_HOME", str(tmp_path / "home"))
    Pseudonyms(Settings()).establish()
    return Settings()


def penchant(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_a_request_is_registered_under_the_pseudonym_and_listed_by_id(home: Settings) -> None:
    pseudonym = penchant("pseudonym", "anna").stdout.strip()
    assert penchant("subject", "object", "--user", "anna").exit_code == 0
    assert Subjects(home).objecting() == [pseudonym]
    Vault(home).remember({pseudonym: "anna"})
    assert "user anna" in penchant("subject", "list").stdout
    assert penchant("subject", "withdraw", "--user", pseudonym).exit_code == 0


def test_lists_without_entries_are_empty(home: Settings) -> None:
    for command in ("subject", "token"):
        listed = penchant(command, "list")
        assert (listed.exit_code, listed.stdout) == (0, "")


def test_errors_name_the_id_that_was_given(home: Settings) -> None:
    done = penchant("subject", "erase", "--user", "anna")
    assert isinstance(done.exception, UsageError)
    assert "nothing is stored of user 'anna'" in echoed(str(done.exception))


@pytest.mark.parametrize("command", [("pseudonym",), ("subject", "erase", "--user")])
def test_a_pseudonym_of_another_home_is_an_error(home: Settings, command: tuple[str, ...]) -> None:
    foreign = Coder.of_key(bytes(32)).of("anna")
    done = penchant(*command, foreign)
    assert isinstance(done.exception, UsageError)
    assert f"{foreign!r} is a pseudonym of another home" in str(done.exception)


def test_a_home_of_user_ids_has_no_pseudonyms(
    home: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PENCHANT_HOME", str(tmp_path / "other"))
    done = penchant("pseudonym", "anna")
    assert isinstance(done.exception, UsageError) and "holds user ids" in str(done.exception)
