"""Entities: users, items and categories of items."""

from penchant.feast_sdk import Entity, ValueType

USER = Entity(
    name="user", join_keys=["user_id"], value_type=ValueType.STRING, description="A user."
)
ITEM = Entity(
    name="item",
    join_keys=["item_id"],
    value_type=ValueType.STRING,
    description="An item of the catalogue.",
)
CATEGORY = Entity(
    name="category",
    join_keys=["category"],
    value_type=ValueType.STRING,
    description="The first level of the category path.",
)
LEAF_CATEGORY = Entity(
    name="leaf_category",
    join_keys=["leaf_category"],
    value_type=ValueType.STRING,
    description="The deepest level of an item's category path.",
)

ENTITIES: dict[str, Entity] = {
    entity.name: entity for entity in (USER, ITEM, CATEGORY, LEAF_CATEGORY)
}
