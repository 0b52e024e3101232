"""Airflow's configuration and the atomic migration of its database."""

import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from penchant.errors import PenchantError
from penchant.platform import airflow
from penchant.platform.airflow import airflow_environment, database, migrate, secret_keys
from penchant.platform.services import airflow_services, settings_environment, web_services
from penchant.settings import Settings


def test_services_listen_on_loopback_only(settings: Settings) -> None:
    for service in (*airflow_services(settings), *web_services(settings)):
        listens = {**service.environment, "command": " ".join(service.command)}
        if service.port:
            bound = "127.0.0.1" in listens["command"] or service.name in (
                "feast-ui",  # binds 127.0.0.1 itself
                "api",  # binds settings.api_host
            )
            assert bound, service.name
    assert settings.api_host == "127.0.0.1"


def test_child_process_has_the_same_settings(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in settings_environment(settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    assert Settings(_env_file=None) == settings


def test_tasks_use_this_api_server(settings: Settings) -> None:
    environment = airflow_environment(settings)
    address = environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
    assert address == f"http://127.0.0.1:{settings.airflow_port}/execution/"
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert environment["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"


def test_keys_are_generated_once_and_private(settings: Settings) -> None:
    first = secret_keys(settings)
    assert secret_keys(settings) == first
    mode = stat.S_IMODE((settings.home / "airflow" / "keys.json").stat().st_mode)
    assert mode == 0o600


def fake_migration(status: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fake ``airflow db migrate``; returns the contents of the databases it was called on."""
    given: list[str] = []

    def run(command: list[str], env: dict[str, str], **_: Any) -> SimpleNamespace:
        path = Path(env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].removeprefix("sqlite:///"))
        given.append(path.read_text() if path.exists() else "nothing")
        path.write_text("half" if status else "schema")
        return SimpleNamespace(returncode=status, stdout="no space left on device")

    monkeypatch.setattr(subprocess, "run", run)
    return given


def test_database_is_created_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    given = fake_migration(0, monkeypatch)
    assert migrate(settings)
    assert not migrate(settings)
    assert given == ["nothing"]
    assert database(settings).read_text() == "schema"


def test_interrupted_migration_is_repeated(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_migration(1, monkeypatch)
    with pytest.raises(PenchantError, match="no space left"):
        migrate(settings)
    assert not database(settings).exists()
    given = fake_migration(0, monkeypatch)
    assert migrate(settings)
    assert given == ["nothing"]


def test_older_database_is_migrated_on_a_copy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_migration(0, monkeypatch)
    migrate(settings)
    monkeypatch.setattr(airflow, "version", lambda _: "9.9.9")
    given = fake_migration(1, monkeypatch)
    with pytest.raises(PenchantError):
        migrate(settings)
    assert given == ["schema"]
    assert database(settings).read_text() == "schema"
