"""Models of ``PUT /v1/items`` and ``PUT /v1/users``."""

from typing import Annotated

from pydantic import AwareDatetime, ConfigDict, Field

from penchant.api_schemas import Id, Price, Request, Response

MAX_SENT = 500
MAX_TITLE_LENGTH = 500
MAX_DESCRIPTION_LENGTH = 10_000
LEVELS = 3  # of a category path

Text = Annotated[str, Field(min_length=1, max_length=MAX_TITLE_LENGTH, pattern=r"\S")]
Level = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f>]+$")]
Attribute = Annotated[str, Field(min_length=1, max_length=100)]


class ItemToPut(Request):
    """An item with all its attributes: what is left out is empty afterwards."""

    model_config = ConfigDict(allow_inf_nan=False)

    item_id: Id
    title: Text
    description: str | None = Field(None, max_length=MAX_DESCRIPTION_LENGTH)
    category: list[Level] = Field(
        [],
        max_length=LEVELS,
        description="Category path, the widest first.",
        examples=[["Grocery", "Soup"]],
    )
    brand: Text | None = None
    price: Price | None = Field(None, description="In the shop's currency.")
    first_seen_at: AwareDatetime | None = Field(
        None, description="When it was first sold; the time of its first arrival by default."
    )


class ItemsRequest(Request):
    """Items that are accepted together: all or none. Of an item's rows the last counts."""

    items: list[ItemToPut] = Field(min_length=1, max_length=MAX_SENT)


class UserToPut(Request):
    """A user with all attributes: what is left out is empty afterwards."""

    user_id: Id
    first_seen_at: AwareDatetime | None = Field(
        None, description="When the user registered; the time of the first arrival by default."
    )
    age_band: Attribute | None = None
    income_band: Attribute | None = None
    household_size: Attribute | None = None
    household_composition: Attribute | None = None
    home_ownership: Attribute | None = None
    marital_status: Attribute | None = None
    kids_count: Attribute | None = None


class UsersRequest(Request):
    """Users that are accepted together: all or none."""

    users: list[UserToPut] = Field(min_length=1, max_length=MAX_SENT)


class Stored(Response):
    """The rows are stored durably."""

    received: int = Field(description="Number of rows in the request.")
