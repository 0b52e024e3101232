"""The environment of Airflow and the other services."""

import stat
from pathlib import Path

import pytest
from airflow.configuration import retrieve_configuration_description
from pydantic import SecretStr

from penchant.platform.airflow import airflow_environment, secret_keys
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
    settings = settings.model_copy(update={"key": SecretStr("0f" * 32)})
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


def test_logs_are_for_the_owner_only(settings: Settings) -> None:
    environment = airflow_environment(settings)
    for name, mode in (("FOLDER", 0o700), ("FILE", 0o600)):
        value = environment[f"AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_{name}_PERMISSIONS"]
        assert int(value, 8) == mode


def test_inherited_airflow_and_proxy_variables_have_no_effect(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", "/somewhere/else")
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "their.AuthManager")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite:////their.db")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy:1080")
    monkeypatch.setenv("NO_PROXY", "intranet")
    for service in (*airflow_services(settings), *web_services(settings)):
        environment = service.environment
        assert "AIRFLOW__CORE__AUTH_MANAGER" not in environment
        assert environment["NO_PROXY"] == "intranet,127.0.0.1,localhost"
        assert environment["HTTPS_PROXY"] == "http://proxy:3128"
        assert "ALL_PROXY" not in environment
    environment = airflow_services(settings)[0].environment
    assert environment["AIRFLOW_HOME"] == str(settings.home / "airflow")
    assert "their" not in environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]


def test_services_depend_on_neither_locale_nor_time_zone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    monkeypatch.setenv("LC_ALL", "de_DE.ISO-8859-1")
    for service in (*airflow_services(settings), *web_services(settings)):
        assert service.environment["TZ"] == "UTC"
        assert service.environment["PYTHONUTF8"] == "1"


def test_airflow_sends_its_metrics_to_the_collector_of_the_setting(settings: Settings) -> None:
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in airflow_environment(settings)
    url = "http://127.0.0.1:4318"
    environment = airflow_environment(settings.model_copy(update={"otlp_endpoint": url}))
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == url
    assert environment["AIRFLOW__METRICS__OTEL_ON"] == "True"
    assert environment["AIRFLOW__TRACES__OTEL_ON"] == "True"


def test_airflow_options_exist(settings: Settings) -> None:
    sections = retrieve_configuration_description(include_providers=False)
    collecting = settings.model_copy(update={"otlp_endpoint": "http://127.0.0.1:4318"})
    for name in airflow_environment(collecting):
        if name.startswith("AIRFLOW__"):
            _, section, option = name.lower().split("__")
            assert option in sections[section]["options"], name


def test_scheduler_starts_last(settings: Settings) -> None:
    assert [service.name for service in airflow_services(settings)] == [
        "api-server",
        "dag-processor",
        "scheduler",
    ]


def test_waiting_threads_sleep_unless_the_caller_says_otherwise(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert airflow_services(settings)[-1].environment["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert airflow_services(settings)[-1].environment["OMP_WAIT_POLICY"] == "ACTIVE"
