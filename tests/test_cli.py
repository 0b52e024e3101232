"""How the command ends when it is used wrongly: a line, a remedy, an exit status, no traceback."""

import sys

import pytest

from penchant import cli


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["penchant", *arguments])
    # it would tie structlog to this test's captured stderr, for the tests that come after
    monkeypatch.setattr(cli, "configure_logs", lambda: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "--snapshot", "yesterday"], "'yesterday' is not a snapshot id"),
        (["ingest", "--source", "nowhere"], "there is no source 'nowhere'"),
        (["train", "--family", "magic", "--snapshot", "s"], "no model family is called 'magic'"),
        (["recommend", "--user", ""], "the user id is empty"),
    ],
)
def test_wrong_usage_is_told_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: object,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.setenv("PENCHANT_HOME", str(tmp_path))
    assert run(monkeypatch, *arguments) == 64
    error = capsys.readouterr().err
    assert said in error
    assert "what to do:" in error


def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PENCHANT_THREADS", "many")
    assert run(monkeypatch, "build") == 64
    assert "PENCHANT_THREADS" in capsys.readouterr().err
