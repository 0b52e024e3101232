"""docker-compose.yml sets existing options only and publishes no port to other machines."""

from pathlib import Path

import pytest
import yaml
from airflow.configuration import retrieve_configuration_description

from dags.defaults import POOLS
from penchant.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
ENVIRONMENT = COMPOSE["x-environment"]


def test_penchant_settings_exist() -> None:
    known = {f"PENCHANT_{name.upper()}" for name in Settings.model_fields}
    named = {key for service in SERVICES.values() for key in service.get("environment", {})}
    assert {key for key in named if key.startswith("PENCHANT_")} <= known


def test_example_environment_names_every_setting() -> None:
    example = (ROOT / ".env.example").read_text()
    assert [
        name for name in Settings.model_fields if f"PENCHANT_{name.upper()}=" not in example
    ] == []


def test_airflow_options_exist() -> None:
    sections = retrieve_configuration_description(include_providers=True)
    options = [key.lower().split("__")[1:] for key in ENVIRONMENT if key.startswith("AIRFLOW__")]
    # the provider of Celery's options is installed by the extra `production` only
    core = [(section, option) for section, option in options if section != "celery"]
    unknown = [
        (section, option) for section, option in core if option not in sections[section]["options"]
    ]
    assert core
    assert unknown == []


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_bound_to_loopback(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_pools_of_the_dags_are_created() -> None:
    script = SERVICES["airflow-init"]["command"][-1]
    assert all(f"airflow pools set {name} {slots} " in script for name, (slots, _) in POOLS.items())


def test_secrets_have_no_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for secret in (
        "POSTGRES_PASSWORD",
        "AIRFLOW_JWT_SECRET",
        "AIRFLOW_FERNET_KEY",
        "REDIS_PASSWORD",
    ):
        assert f"${{{secret}:?" in text
        assert f"${{{secret}:-" not in text


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"airflow-init"}))
def test_services_have_a_health_check_a_limit_and_time_to_stop(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    assert service["mem_limit"]
    assert service["stop_grace_period"]
    if "worker" in name:
        assert service["stop_grace_period"].endswith("h"), "a training takes longer than minutes"


def test_redis_requires_the_password_that_its_clients_use() -> None:
    assert "--requirepass" in SERVICES["redis"]["command"]
    assert "${REDIS_PASSWORD" in ENVIRONMENT["PENCHANT_FEAST_REDIS"]
    assert ":${REDIS_PASSWORD}@" in ENVIRONMENT["AIRFLOW__CELERY__BROKER_URL"]


def test_settings_file_is_not_copied_into_the_image() -> None:
    assert ".env" in (ROOT / ".dockerignore").read_text().splitlines()


def test_dependencies_and_mounted_files_exist() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (
                (ROOT / source).exists()
                if source.startswith("./")
                else source in COMPOSE["volumes"]
            )
