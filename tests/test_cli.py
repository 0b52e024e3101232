"""Errors of the command line: a cause, a remedy, an exit status, no traceback."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from penchant import cli
from penchant.settings import Settings


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["penchant", *arguments])
    # it would bind structlog to the captured stderr of this test
    monkeypatch.setattr(cli, "configure_logs", lambda: None)
    with pytest.raises(SystemExit) as ended:
        cli.run()
    return ended.value.code


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["check", "--snapshot", "yesterday"], "'yesterday' is not a snapshot id"),
        (["ingest", "--source", "nowhere"], "unknown source 'nowhere'"),
        (["train", "--family", "magic", "--snapshot", "s"], "no model family is called 'magic'"),
        (["recommend", "--user", ""], "the user id is empty"),
        (["trace"], "no release is live yet"),
        (["subject", "verify", "no-such.json"], "no-such.json: No such file"),
    ],
)
def test_invalid_arguments_are_reported_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: object,
    arguments: list[str],
    cause: str,
) -> None:
    monkeypatch.setenv("PENCHANT_HOME", str(tmp_path))
    assert run(monkeypatch, *arguments) == 64
    error = capsys.readouterr().err
    assert cause in error
    assert "what to do:" in error


def test_serve_on_a_port_in_use_is_reported_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("PENCHANT_HOME", str(tmp_path))
        monkeypatch.setenv("PENCHANT_API_PORT", str(port))
        assert run(monkeypatch, "serve") == 64
    assert f"can't listen at 127.0.0.1, port {port}" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_full_or_read_only_disk_is_reported_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, number: int
) -> None:
    def ingest(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(tmp_path / "batch.parquet"))

    monkeypatch.setattr("penchant.ingestion.ingest.ingest", ingest)
    assert run(monkeypatch, "ingest") == 1
    assert capsys.readouterr().err == (
        f"error: cannot write to {tmp_path}/batch.parquet: {os.strerror(number)}\n"
        "  what to do: free space or correct the permissions; the same command continues\n"
    )


def test_landing_nothing_new_ends_with_66_so_that_nothing_is_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PENCHANT_HOME", str(tmp_path))
    ingest = ["ingest", "--source", "simulator", "--users", "3", "--items", "5", "--days", "10"]
    assert run(monkeypatch, *ingest) == 0
    assert run(monkeypatch, *ingest) == 66
    assert capsys.readouterr().err.splitlines()[-2].startswith("nothing to do: nothing new")


def test_first_release_does_not_replace_a_live_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PENCHANT_HOME", str(tmp_path))
    Settings(home=tmp_path).live_release.flip("r-1")
    assert run(monkeypatch, "publish-first", "--snapshot", "s-20200101-aaaaaaaaaaaa") == 66
    assert "release r-1 is live" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("THREADS", "two", "must be a positive integer, got 'two'"),
        ("THREADS", "0", "must be a positive integer, got '0'"),
        ("EXPLORATION", "3", "must be a number at least 0 and at most 1, got '3'"),
        ("CORS_ORIGINS", "https://a.example", "must be a JSON list, got 'https://a.example'"),
        ("CORS_ORIGINS", '{"a": 1}', "must be a JSON list, got {'a': 1}"),
        ("REFERENCE_CONFIGS", "perhaps", "must be a boolean, got 'perhaps'"),
    ],
)
def test_wrong_setting_is_reported_with_its_requirement(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    expected: str,
) -> None:
    monkeypatch.setenv(f"PENCHANT_{name}", value)
    assert run(monkeypatch, "build") == 64
    assert capsys.readouterr().err == (
        f"error: PENCHANT_{name}: {expected}\n  what to do: fix it in the environment or .env\n"
    )


@pytest.mark.parametrize("end", ["sys.exit(3)", "raise ValueError"])
def test_nothing_is_printed_while_the_interpreter_ends(end: str) -> None:
    """As DuckDB's bindings do after a check."""
    code = f"""
import atexit, os, sys
from penchant import cli

class Late:
    write = staticmethod(os.write)
    def __del__(self):
        self.write(2, b"late")

def app():
    print("said", file=sys.stderr)
    {end}

late = Late()
cli.app = app
cli.main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.stderr.startswith("said\n") and "late" not in ended.stderr
    assert ended.returncode == (3 if end == "sys.exit(3)" else 1)


def test_exit_handlers_run_and_all_output_is_written() -> None:
    code = """
import atexit
from penchant import cli

def app():
    atexit.register(print, "handler")
    print("x" * 100_000)

cli.app = app
cli.main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "x" * 100_000 + "\nhandler\n")
