"""What a command writes is for the owner only, whatever the shell's umask is."""

import os
import sys
from collections.abc import Iterator

import pytest

from penchant import cli
from penchant.settings import Settings


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
@pytest.mark.parametrize("encrypted", [False, True])
def test_all_that_a_home_gets_is_for_the_owner_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    monkeypatch.setenv("PENCHANT_HOME", str(settings.home))
    monkeypatch.setattr(cli, "configure_logs", lambda: None)  # it keeps this test's stdout
    if encrypted:
        monkeypatch.setenv("PENCHANT_KEY", "5a" * 32)
        monkeypatch.setenv("PENCHANT_ENCRYPT", "true")
    simulator = ("--source", "simulator", "--users", "20", "--items", "10", "--days", "20")
    for command in (
        ("ingest", *simulator),
        ("token", "make", "--name", "a", "--scope", "admin"),
        ("subject", "object", "--user", "u1"),
    ):
        monkeypatch.setattr(sys, "argv", ["penchant", *command])
        with pytest.raises(SystemExit) as ended:
            cli.run()
        assert not ended.value.code, command
    paths = [settings.home, *settings.home.rglob("*")]
    assert len(paths) > 20
    assert [path for path in paths if path.stat().st_mode & 0o077] == []
