"""One class for one fact: a feature is at least as personal as the columns that it is made of.

The lineage of each column is read from the compiled SQL. A lower class needs a written reason,
``pii_reason`` in the column's meta.
"""

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from sqlglot import exp, parse_one
from sqlglot.lineage import lineage

from penchant.artifacts import Snapshot
from penchant.manifest import PII_CLASSES, Mart, read_marts
from penchant.settings import Settings

KEYS = {"user_id", "feature_at"}  # what every column of a user's mart is grouped by
NAMES = {"item_id", "title", "brand", "category_1", "category_2", "category_3", "category"}
"""Columns of items and events that say what a user did something with."""
PAIRED = {"item_id", "category"}


class Lineage:
    """Upstream columns of the models of a built home."""

    def __init__(self, settings: Settings, snapshot: Snapshot) -> None:
        nodes = json.loads(snapshot.manifest.read_text())["nodes"].values()
        self.models = {each["name"]: each for each in nodes if each["resource_type"] == "model"}
        self.schema: dict[str, dict[str, str]] = {}
        with duckdb.connect(str(settings.warehouse), read_only=True) as connection:
            for name in self.models:
                mart = snapshot.mart(name)
                relation = f"read_parquet('{mart}')" if mart.exists() else f'main."{name}"'
                described = connection.execute(f"describe select * from {relation}").fetchall()
                self.schema[name] = {column: kind for column, kind, *_ in described}

    def of(self, model: str, column: str) -> set[tuple[str, str]]:
        """(model, column) of everything that a column is computed from, in one step."""
        tree = parse_one(self.models[model]["compiled_code"], dialect="duckdb")
        for table in tree.find_all(exp.Table):
            table.set("db", None)
            table.set("catalog", None)
        found = lineage(column, tree, schema=self.schema, dialect="duckdb")
        return {
            (leaf.source.name, leaf.name.rpartition(".")[2].strip('"'))
            for leaf in found.walk()
            if not leaf.downstream and isinstance(leaf.source, exp.Table)
        }


def declared(marts: dict[str, Mart], model: str, column: str) -> str:
    """The class of a column: of a mart, or of the core mart that an intermediate model becomes."""
    mart = marts.get(model) or marts.get(model.removeprefix("int_"))
    of_it = [each.pii for each in mart.columns if each.name == column] if mart else []
    return of_it[0] if of_it else PII_CLASSES[0]


def features_of_users(marts: dict[str, Mart]) -> Iterator[tuple[Mart, Any]]:
    for mart in marts.values():
        if mart.folder == "features" and "user_id" in mart.primary_key:
            for column in mart.columns:
                if column.name not in mart.primary_key:
                    yield mart, column


def required(marts: dict[str, Mart], sources: Lineage, mart: Mart, column: Any) -> str:
    """The least class that a feature of a user may have."""
    upstream = sources.of(mart.name, column.name)
    classes = [declared(marts, *each) for each in upstream if each[1] not in KEYS]
    names_something = column.type.startswith("VARCHAR") and any(
        name in NAMES for _, name in upstream
    )
    if PAIRED & set(mart.primary_key) or names_something:
        classes.append("quasi")
    return max(classes, key=PII_CLASSES.index, default=PII_CLASSES[0])


@pytest.fixture
def snapshot(built_home: Settings) -> Snapshot:
    return Snapshot.open(built_home, next(built_home.snapshots.glob("s-*")).name)


def test_no_feature_is_less_personal_than_what_it_is_made_of(
    built_home: Settings, snapshot: Snapshot
) -> None:
    marts = {mart.name: mart for mart in read_marts(snapshot.manifest)}
    sources = Lineage(built_home, snapshot)
    assert ("int_items", "category_2") in sources.of("user_affinities", "top_categories")
    wrong = {
        f"{mart.name}:{column.name}": f"{column.pii}, made of {least}"
        for mart, column in features_of_users(marts)
        if "pii_reason" not in column.meta
        and PII_CLASSES.index(least := required(marts, sources, mart, column))
        > PII_CLASSES.index(column.pii)
    }
    assert not wrong, "set pii in the mart's YAML, or write pii_reason beside it"
