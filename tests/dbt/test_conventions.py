"""Rules of the package dbt_project_evaluator that the project keeps; its models are not needed.

Left out: a staging model joins its source with ``stg_landing__batches``, which says which batches
count; primary keys of staging and intermediate models, which are tested in the marts. The one
exception is ``stg_feedback__events``: the log and the imported history are one table, without what
was deleted.
"""

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from penchant.settings import PROJECT_ROOT

MODELS = PROJECT_ROOT / "dbt" / "models"
REF = re.compile(r"\bref\(\s*['\"](\w+)['\"]\s*\)")
SOURCE = re.compile(
    r"\b(?:source|landed|canonical_staging|insight_staging)"
    r"\(\s*['\"](\w+)['\"],\s*['\"](\w+)['\"]"
)
COMMENT = re.compile(r"\{#.*?#\}|--[^\n]*", re.DOTALL)
READS_A_TABLE = re.compile(r"(?<!distinct )\b(?:from|join)\s+(?:read_\w+\s*\(|['\"\w]+\.\w+)")
PREFIX = {"staging": "stg_", "intermediate": "int_", "marts": ""}
BATCHES = "stg_landing__batches"
EXCEPTION = "stg_feedback__events"
RAW = (
    "complete_journey",
    "feedback",
    "insights",
    "online_retail",
    "open_bandit",
)  # the others: canonical


@cache
def files() -> dict[str, Path]:
    """The SQL file of each model."""
    return {file.stem: file for file in sorted(MODELS.rglob("*.sql"))}


@cache
def sql(model: str) -> str:
    return COMMENT.sub("", files()[model].read_text())


def layer(model: str) -> str:
    return files()[model].relative_to(MODELS).parts[0]


@cache
def described() -> dict[str, dict[str, Any]]:
    """The YAML of each model, with its folder."""
    return {
        model["name"]: model | {"folder": file.parent}
        for file in sorted(MODELS.rglob("*.yml"))
        for model in yaml.safe_load(file.read_text()).get("models", [])
    }


@cache
def sources() -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (source["name"], table["name"]): {"source": source, "file": file, **table}
        for file in sorted(MODELS.rglob("*.yml"))
        for source in yaml.safe_load(file.read_text()).get("sources", [])
        for table in source["tables"]
    }


@pytest.mark.parametrize("model", files())
def test_model_is_named_and_described_where_it_lies(model: str) -> None:
    prefix = PREFIX[layer(model)]
    assert model.startswith(prefix)
    assert not (prefix == "" and model.startswith(("stg_", "int_")))
    folder = files()[model].parent
    if layer(model) == "staging":
        assert model.startswith(f"stg_{folder.name}__")
    assert described()[model]["description"].strip()
    assert described()[model]["folder"] in (folder, folder.parent)


def test_every_description_is_of_a_model() -> None:
    assert described().keys() - files().keys() == set()


@pytest.mark.parametrize("model", [name for name in files() if layer(name) == "marts"])
def test_mart_has_a_contract_a_tested_key_and_described_columns(model: str) -> None:
    mart = described()[model]
    [key] = [one["columns"] for one in mart["constraints"] if one["type"] == "primary_key"]
    tests = [one for one in mart["data_tests"] if "unique_combination" in one]
    assert [one["unique_combination"]["arguments"]["columns"] for one in tests] == [key]
    assert all(column.get("description") for column in mart["columns"])
    assert all(column.get("data_type") for column in mart["columns"])


def test_only_staging_reads_sources_and_each_source_has_one_reader() -> None:
    readers = [(table, model) for model in files() for table in SOURCE.findall(sql(model))]
    assert {layer(model) for _, model in readers} == {"staging"}
    tables = [table for table, _ in readers]
    assert sorted(tables) == sorted(set(tables))  # no fan-out
    assert set(tables) == sources().keys()  # and no source that nobody reads
    models = [model for _, model in readers if model != EXCEPTION]
    assert sorted(models) == sorted(set(models))  # none joins two sources


def test_layers_read_the_layer_before_them() -> None:
    allowed = {
        "staging": set(),
        "intermediate": {"staging", "intermediate"},
        "marts": {"intermediate", "marts"},
    }
    wrong = [
        (model, parent)
        for model in files()
        for parent in REF.findall(sql(model))
        if model != EXCEPTION and parent != BATCHES and layer(parent) not in allowed[layer(model)]
    ]
    assert wrong == []


def test_no_model_names_a_table_or_file() -> None:
    assert [model for model in files() if READS_A_TABLE.search(sql(model))] == []


@pytest.mark.parametrize("table", sources(), ids=".".join)
def test_source_is_described_in_its_folder(table: tuple[str, str]) -> None:
    source = sources()[table]
    assert source["source"]["description"].strip() and source["description"].strip()
    assert source["file"].parent.name == table[0]


@pytest.mark.parametrize("name", RAW)
def test_columns_of_a_source_are_those_of_its_contract(name: str) -> None:
    contracts = import_module(f"penchant.ingestion.sources.{name}").CONTRACTS
    columns = {
        contract.table: [(column.name, column.type.lower()) for column in contract.columns]
        for contract in contracts
    }
    written = {
        table: [(column["name"], column["data_type"]) for column in source["columns"]]
        for (source_name, table), source in sources().items()
        if source_name == name
    }
    assert written == {table: columns[table] for table in written}


def test_every_source_that_lands_has_a_freshness() -> None:
    configs = {name: table["source"].get("config", {}) for (name, _), table in sources().items()}
    fresh = {name for name, config in configs.items() if config.get("freshness")}
    assert configs.keys() - fresh == {"landing"}  # the list of batches itself
