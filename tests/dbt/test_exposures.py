"""The exposures of the dbt project name what the marts' YAML says, all families, and all marts that
the code reads."""

import re
from collections import defaultdict
from typing import Any

import yaml

from penchant.settings import PROJECT_ROOT
from training.names import FAMILIES

MODELS = PROJECT_ROOT / "dbt" / "models"
READ_BY_CODE = re.compile(r"\.(?:mart|counted)\([\"'](\w+)[\"']\)")
SOMETIMES = {"competitor_items", "competitor_reviews", "identities"}
"""Marts that are off without competitors or linked ids: dbt refuses an exposure of them."""


def listed() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((MODELS / "exposures.yml").read_text())[
        "exposures"
    ]
    return found


def exposures() -> dict[str, list[str]]:
    """Name → the models that it depends on."""
    return {one["name"]: [ref.split("'")[1] for ref in one["depends_on"]] for one in listed()}


def test_each_family_is_of_one_exposure() -> None:
    named = [
        family
        for one in listed()
        for family in one.get("config", {}).get("meta", {}).get("families", ())
    ]
    assert sorted(named) == sorted(FAMILIES)


def test_marts_that_code_reads_have_an_exposure() -> None:
    read = {
        mart
        for package in ("penchant", "training")
        for file in (PROJECT_ROOT / package).rglob("*.py")
        for mart in READ_BY_CODE.findall(file.read_text())
    }
    assert {"events", "sequences"} <= read
    assert read - {model for models in exposures().values() for model in models} == SOMETIMES


def test_feature_services_are_exposures() -> None:
    services = defaultdict(list)
    for file in sorted((MODELS / "marts" / "features").glob("*.yml")):
        for model in yaml.safe_load(file.read_text())["models"]:
            for service in model["config"]["meta"].get("feature_view", {}).get("services", ()):
                services[f"feature_service_{service}"].append(model["name"])
    found = {name: marts for name, marts in exposures().items() if name.startswith("feature_")}
    assert found == services


def test_the_ranking_model_reads_its_service() -> None:
    assert set(exposures()["feature_service_ranking"]) < set(exposures()["lambdamart"])


def test_every_mart_of_training_has_an_exposure() -> None:
    named = {model for models in exposures().values() for model in models}
    training = {file.stem for file in (MODELS / "marts" / "training").glob("*.sql")}
    assert training - named == {"interactions"}  # of which sequences is made
