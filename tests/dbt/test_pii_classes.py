"""One class for one fact: a feature is at least as personal as the columns that it is made of.

A lower class needs a written reason,
``pii_reason`` in the column's meta.
"""

from collections.abc import Iterator
from typing import Any

from penchant.artifacts import Snapshot
from penchant.manifest import PII_CLASSES, Mart, read_marts
from penchant.privacy.column_lineage import ColumnLineage, TableColumn
from penchant.settings import Settings

KEYS = {"user_id", "feature_at"}  # what every column of a user's mart is grouped by
NAMES = {"item_id", "title", "brand", "category_1", "category_2", "category_3", "category"}
"""Columns of items and events that say what a user did something with."""
PAIRED = {"item_id", "category"}


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


def required(marts: dict[str, Mart], lineage: ColumnLineage, mart: Mart, column: Any) -> str:
    """The least class that a feature of a user may have."""
    upstream = lineage.made_of[TableColumn(mart.name, column.name)]
    classes = [
        declared(marts, each.table, each.column) for each in upstream if each.column not in KEYS
    ]
    names_something = column.type.startswith("VARCHAR") and any(
        each.column in NAMES for each in upstream
    )
    if PAIRED & set(mart.primary_key) or names_something:
        classes.append("quasi")
    return max(classes, key=PII_CLASSES.index, default=PII_CLASSES[0])


def test_no_feature_is_less_personal_than_what_it_is_made_of(built_home: Settings) -> None:
    snapshot = Snapshot.open(built_home, next(built_home.snapshots.glob("s-*")).name)
    marts = {mart.name: mart for mart in read_marts(snapshot.manifest)}
    lineage = ColumnLineage.of(snapshot.manifest)
    wrong = {
        f"{mart.name}:{column.name}": f"{column.pii}, made of {least}"
        for mart, column in features_of_users(marts)
        if "pii_reason" not in column.meta
        and PII_CLASSES.index(least := required(marts, lineage, mart, column))
        > PII_CLASSES.index(column.pii)
    }
    assert not wrong, "set pii in the mart's YAML, or write pii_reason beside it"
