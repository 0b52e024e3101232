"""Item attributes that answers contain and filter by, from the snapshot.

They are the columns of the mart ``items`` that the Feast view ``item_profile`` has too. Publish
verifies that they are equal to that view.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penchant.artifacts import Snapshot
from penchant.encryption import parquet as pq
from penchant.errors import DataError
from penchant.feast_sdk import FeatureStore
from penchant.releases.release import View
from penchant.releases.rows import Rows, writing

ITEM_FACTS = View(
    "item_facts",
    "item",
    "item_id",
    ("title", "category_1", "category_2", "category_3", "brand", "price"),
)
ONLINE = "item_profile"


@dataclass(frozen=True)
class ItemFacts:
    """``category``: the first of up to three levels of ``path``; both are empty where the source
    has none. ``price``: in the source's currency."""

    title: str
    category: str | None
    path: tuple[str, ...]
    brand: str | None
    price: float | None


def item_facts(facts: Rows, item_id: str) -> ItemFacts | None:
    """None for an unknown item."""
    row = facts.row(item_id)
    if row is None:
        return None
    levels = (row[f"category_{level}"] for level in (1, 2, 3))
    path = tuple(level for level in levels if level)
    return ItemFacts(row["title"], row["category_1"], path, row["brand"], row["price"])


def write_facts(directory: Path, snapshot: Snapshot) -> Rows:
    """Write the attributes of all items. Raises DataError where a column is missing."""
    mart = snapshot.mart("items")
    known = pq.read_schema(mart).names
    missing = [name for name in ITEM_FACTS.columns if name not in known]
    if missing:
        raise DataError(
            f"the mart items of snapshot {snapshot.id} has no {', '.join(missing)}",
            "restore it in dbt/models/marts and run `penchant build`",
        )
    table = pq.read_table(mart, columns=[ITEM_FACTS.key, *ITEM_FACTS.columns])
    with writing(directory, ITEM_FACTS, table.schema) as write:
        write(table.sort_by(ITEM_FACTS.key))
    return Rows.open(directory, ITEM_FACTS)


def verify_facts(features: FeatureStore, facts: Rows, item_ids: Sequence[str]) -> None:
    """Raise DataError unless these items' attributes equal those in the online store."""
    entity_rows = [{ITEM_FACTS.key: item_id} for item_id in item_ids]
    refs = [f"{ONLINE}:{column}" for column in ITEM_FACTS.columns]
    online = features.get_online_features(features=refs, entity_rows=entity_rows).to_dict()
    for at, item_id in enumerate(item_ids):
        row = {column: online[column][at] for column in ITEM_FACTS.columns}
        if row["title"] is None or facts.row(item_id) != row:
            raise unlike(f"item {item_id!r} is {facts.row(item_id)}, in the online store {row}")


def unlike(cause: str) -> DataError:
    return DataError(cause, "run `penchant materialize` for this snapshot again")
