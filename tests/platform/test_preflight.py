"""Checks before the platform starts."""

import errno
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from penchant.errors import PenchantError, UsageError
from penchant.platform import preflight
from penchant.platform.preflight import require_free_ports, require_startable
from penchant.platform.services import Service
from penchant.settings import Settings

ISO_LOCALE = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def test_port_in_use_is_reported_with_setting_and_process(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        wants = Service("mlflow", (), {}, settings.home, port, "mlflow_port")
        with pytest.raises(PenchantError) as raised:
            require_free_ports((wants,))
    assert f"port {port} of mlflow is in use by" in raised.value.cause
    assert f"process {os.getpid()}" in raised.value.cause
    assert "PENCHANT_MLFLOW_PORT" in raised.value.remedy


def test_read_only_home_is_reported(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(preflight.tempfile, "TemporaryFile", read_only)
    with pytest.raises(UsageError, match=r"cannot write to .*: Read-only file system"):
        require_startable(settings, (), print)


def test_home_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(UsageError, match="PENCHANT_HOME: cannot write to"):
        require_startable(Settings(_env_file=None, home=tmp_path / "home"), (), print)


def test_full_disk_is_reported(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3 * 10**8))
    with pytest.raises(UsageError, match=r"has 0\.3 GB left, 2 GB are required"):
        require_startable(settings, (), print)


def test_variables_of_another_airflow_are_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AIRFLOW_HOME", "/elsewhere")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    notices: list[str] = []
    require_startable(settings, (), notices.append)
    assert len(notices) == 1
    assert notices[0].startswith("ignoring AIRFLOW_HOME, AIRFLOW__CORE__EXECUTOR:")


def test_command_runs_in_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    code = (
        "import sys; from penchant import cli;"
        "cli.app = lambda: print(sys.flags.utf8_mode, 'Gl\\u00e4ser \\u2713');"
        "cli.main()"
    )
    script = tmp_path / "command.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script)], env={**os.environ, **ISO_LOCALE}, capture_output=True
    )
    assert done.stdout.decode() == "1 Gl\u00e4ser \u2713\n", done.stderr
