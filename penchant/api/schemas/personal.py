"""Models of ``POST /v1/recommendations`` and ``POST /v1/rank``."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from penchant.api_schemas import (
    MAX_CATEGORY_LENGTH,
    MAX_EXCLUDED_ITEMS,
    FallbackField,
    Id,
    ItemCount,
    Price,
    RankedByField,
    Reason,
    ReleaseResponse,
    Request,
    Response,
)

MAX_USERS = 50
MAX_SESSION_EVENTS = 100
MAX_CANDIDATES = 500
MAX_RANK_FIELDS = 10
MAX_ITEMS_A_CALL = 1000  # items of all users together
MAX_CURSOR_LENGTH = 100_000
MAX_WRITE_BACK_SECONDS = 86_400
LOCALE = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"  # BCP 47

SelectableField = Literal[
    "item_id",
    "title",
    "category",
    "price",
    "score",
    "source",
    "propensity",
    "impression_id",
    "reason",
]
FieldName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
FiniteNumber = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]


def _unique(names: list[SelectableField]) -> list[SelectableField]:
    if not set(names) <= set(get_args(SelectableField)) or len(set(names)) < len(names):
        raise ValueError("must not repeat a field")
    return names


class SessionEvent(Request):
    """An event of the request: folded in for this response, not stored."""

    item_id: Id
    event_type: Literal["view", "cart", "purchase", "rating"] = "view"
    session_id: Id | None = Field(
        None, description="Set it if the event is posted too, so that it counts once."
    )


class Context(Request):
    """Where the items are shown. It is logged with the impressions."""

    placement: Id = Field("home", description="Where the items are shown, such as a page.")
    item_id: Id | None = Field(
        None, description="Item of the page: left out, and similar items move up."
    )
    device: Id | None = Field(None, examples=["phone"])
    locale: str | None = Field(
        None, max_length=35, pattern=LOCALE, description="Language tag.", examples=["en-GB"]
    )


class RecommendUser(Request):
    """A user of the request; an anonymous visitor without ``user_id``."""

    user_id: Id | None = Field(
        None, description="Null for an anonymous visitor, whose response is not logged as shown."
    )
    events: list[SessionEvent] = Field(
        [], max_length=MAX_SESSION_EVENTS, description="Events of the session, oldest first."
    )
    cursor: str | None = Field(
        None,
        max_length=MAX_CURSOR_LENGTH,
        description="next_cursor of the page before, with the same options.",
    )


class RecommendRequest(Request):
    """Users and what all of them share. At most 1,000 items in all: users times k."""

    users: list[RecommendUser] = Field(min_length=1, max_length=MAX_USERS)
    k: ItemCount = 10
    context: Context = Context()
    exclude_bought: bool = Field(False, description="Exclude items that the user ever bought.")
    exclude: list[Id] = Field([], max_length=MAX_EXCLUDED_ITEMS, description="Item ids to exclude.")
    category: str | None = Field(
        None, max_length=MAX_CATEGORY_LENGTH, description="Category path.", examples=["Grocery"]
    )
    price_min: Price | None = Field(None, description="Lowest price, inclusive.")
    price_max: Price | None = Field(None, description="Highest price, inclusive.")
    diversity: float = Field(
        0.0, ge=0, le=1, allow_inf_nan=False, description="Weight of diversity in re-ranking."
    )
    reasons: bool = Field(False, description="Explain each item by an item of the user's history.")
    write_back_seconds: int | None = Field(
        None,
        ge=0,
        le=MAX_WRITE_BACK_SECONDS,
        description="If set, the returned items count as seen after so many seconds, and items "
        "that already do are left out, for a week.",
    )
    fields: Annotated[list[SelectableField], AfterValidator(_unique)] = Field(
        [],
        max_length=len(get_args(SelectableField)),
        description="Fields of each item to return; empty for all. item_id is always there.",
    )

    @model_validator(mode="after")
    def _check_size(self) -> "RecommendRequest":
        if (asked := len(self.users) * self.k) > MAX_ITEMS_A_CALL:
            raise ValueError(
                f"users times k must be at most {MAX_ITEMS_A_CALL}, got {asked}; "
                "send fewer users or a lower k"
            )
        return self


class SelectedItem(Response):
    """An item with the requested fields; the others are absent."""

    item_id: str
    title: str | None = None
    category: str | None = None
    price: float | None = None
    score: float | None = Field(
        None, description="Comparable only within one source of one response."
    )
    source: str | None = Field(None, description="Candidate source.")
    propensity: float | None = Field(
        None, description="Probability of this item at this position, given those before it."
    )
    impression_id: str | None = Field(
        None, description="Send it with the events that this item leads to."
    )
    reason: Reason | None = None


class UserRecommendations(Response):
    """Items in display order. Logged as shown unless user_id is null."""

    user_id: str | None
    origin: str = Field(description="What ranked the items.")
    ranked_by: RankedByField
    fallback: FallbackField
    policy: str = Field(description="Policy that selected the slate.")
    slate_id: str | None = Field(description="Null for an anonymous visitor.")
    items: list[SelectedItem]
    next_cursor: str | None = Field(description="For the next page; null if there is none.")
    reasons_by: str | None = Field(description="Model family whose scores the reasons explain.")
    reasons_withheld: str | None = Field(description="Why requested reasons are not given.")


class RecommendResponse(ReleaseResponse):
    """A result for each user, in request order, all from one release."""

    results: list[UserRecommendations]


class RankItem(Request):
    """A candidate. ``fields``: numbers of this request, such as a margin."""

    item_id: Id
    fields: dict[FieldName, FiniteNumber] = Field({}, max_length=MAX_RANK_FIELDS)


class RankRequest(Request):
    """Candidates of the shop, and how much their fields count."""

    model_config = ConfigDict(allow_inf_nan=False)

    items: list[RankItem] = Field(min_length=1, max_length=MAX_CANDIDATES)
    user_id: Id | None = Field(None, description="If set, the response is logged as shown.")
    events: list[SessionEvent] = Field(
        [], max_length=MAX_SESSION_EVENTS, description="Events of the session, oldest first."
    )
    context: Context = Context()
    weights: dict[FieldName, Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)]] = Field(
        {},
        max_length=MAX_RANK_FIELDS,
        description="Of each field: 1 counts as much as relevance; below 0, less is better.",
        examples=[{"margin": 0.5, "delivery_days": -0.2}],
    )
    k: ItemCount = 10
    reasons: bool = Field(False, description="Explain each item by an item of the user's history.")

    @model_validator(mode="after")
    def _check_items_and_weights(self) -> "RankRequest":
        ids = [each.item_id for each in self.items]
        if len(set(ids)) < len(ids):
            repeated = next(each for each in ids if ids.count(each) > 1)
            raise ValueError(f"items must not repeat {repeated!r}; send each item once")
        given = {name for each in self.items for name in each.fields}
        if unknown := sorted(set(self.weights) - given):
            raise ValueError(
                f"weights has {unknown[0]!r}, which no item has among its fields; "
                "send the field with the items, or leave the weight out"
            )
        return self


class Contribution(Response):
    """What one term adds to an item's score."""

    name: str = Field(description="relevance, or a field of the request.")
    value: float | None = Field(description="The item's score or field; null if there is none.")
    rank: int | None = Field(description="From 1, among the candidates; null without a value.")
    contribution: float = Field(description="Share of the score.")


class RankedItem(Response):
    """Title and what follows are null for an item that the catalogue lacks."""

    item_id: str
    score: float = Field(description="Sum of the contributions.")
    contributions: list[Contribution]
    title: str | None
    category: str | None
    price: float | None
    source: str | None = Field(description="What the relevance comes from.")
    impression_id: str | None = Field(description="Null if no user_id was given.")
    reason: Reason | None


class Ranking(ReleaseResponse):
    """The best k candidates, best first."""

    user_id: str | None
    origin: str = Field(description="What ranked the items by relevance.")
    policy: str
    slate_id: str | None = Field(description="Null if no user_id was given.")
    items: list[RankedItem]
    unknown: list[str] = Field(
        description="Candidates that the catalogue lacks: ranked by their fields alone."
    )
    reasons_by: str | None
    reasons_withheld: str | None
