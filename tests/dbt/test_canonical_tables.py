"""The core marts are the canonical tables, as dbt/canonical_tables.yml describes them."""

from typing import Any

import pytest
import yaml

from penchant.ingestion.landing.canonical import CANONICAL_TABLES
from penchant.settings import PROJECT_ROOT

MARTS = PROJECT_ROOT / "dbt" / "models" / "marts" / "core"


def mart(table: str) -> dict[str, Any]:
    [model] = yaml.safe_load((MARTS / f"{table}.yml").read_text())["models"]
    return model


def mart_type(canonical: str) -> str:
    """Marts have doubles, so that no reader needs decimals."""
    return "double" if canonical.startswith("decimal") else canonical


@pytest.mark.parametrize("table", sorted(path.stem for path in MARTS.glob("*.yml")))
def test_core_mart_has_the_canonical_columns(table: str) -> None:
    described = mart(table)
    canonical = CANONICAL_TABLES[table]
    assert described["constraints"][0]["columns"] == canonical["key"], (
        f"primary key of {table}: edit dbt/models/marts/core/{table}.yml or canonical_tables.yml"
    )
    for column in described["columns"]:
        name = column["name"]
        where = f"{table}.{name}: edit dbt/models/marts/core/{table}.yml or canonical_tables.yml"
        assert name in canonical["columns"], f"not a canonical column: {where}"
        assert column["data_type"] == mart_type(canonical["columns"][name]["type"]), where
        for test in column.get("data_tests", []):
            if "accepted_values" in test and "accepted" in canonical["columns"][name]:
                values = test["accepted_values"]["arguments"]["values"]
                assert values == canonical["columns"][name]["accepted"], where
    if table != "outcomes":  # its columns come from a source's own models
        wanted = {
            name
            for name, column in canonical["columns"].items()
            if column.get("added_by") != "models"
        }
        missing = wanted - {column["name"] for column in described["columns"]}
        assert not missing, f"{table} lacks {sorted(missing)}: add them to its SQL and YAML"
