"""Titles and categories of items, from the online features of one snapshot."""

from dataclasses import dataclass

from penchant.errors import DataError
from penchant.serving.feast import FeatureStore

_FACTS = ["item_profile:title", "item_profile:category_1"]


@dataclass(frozen=True)
class ItemFacts:
    title: str
    category: str | None


def item_facts(features: FeatureStore, item_ids: list[str]) -> list[ItemFacts]:
    """One for each id, in order. Raises DataError for an item without a title online."""
    rows = [{"item_id": item_id} for item_id in item_ids]
    found = features.get_online_features(features=_FACTS, entity_rows=rows).to_dict()
    missing = [
        item_id for item_id, title in zip(item_ids, found["title"], strict=True) if title is None
    ]
    if missing:
        raise DataError(
            f"{len(missing)} items have no title online, such as {missing[0]!r}",
            "the features are of another snapshot or incomplete: materialize this one again",
        )
    return [
        ItemFacts(title, category)
        for title, category in zip(found["title"], found["category_1"], strict=True)
    ]
