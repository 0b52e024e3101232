"""Models of lists that are not made for one user."""

from pydantic import Field

from penchant.api_schemas import (
    MAX_CATEGORY_LENGTH,
    Id,
    Item,
    ItemCount,
    ReleaseResponse,
    Request,
)


class ListingQuery(Request):
    k: ItemCount = 10
    category: str | None = Field(
        None,
        max_length=MAX_CATEGORY_LENGTH,
        description="Category path. Only items within it are returned.",
        examples=["Grocery > Soup"],
    )


class ListedItem(Item):
    price: float | None
    score: float = Field(description="Comparable only within one response.")


class Listing(ReleaseResponse):
    """Items, best first. Fewer than k if the list has fewer in the category."""

    items: list[ListedItem]


class SegmentQuery(Request):
    user_id: Id
    k: ItemCount = 10


class UserSegment(ReleaseResponse):
    """Users like this one, as a group."""

    user_id: str
    segment: str = Field(description="Name of the segment within this release.")
    users: int = Field(description="Number of users in the segment.")
    interests: list[str] = Field(description="Category paths they have more of than others.")
    items: list[ListedItem] = Field(description="Items for the mean vector of the segment.")
