"""Request and response models of every ``/v1`` route; ``penchant_client`` is generated from them.

A query model lists the parameters of a GET route, a request model is a POST body. Requests reject
unknown fields; responses ignore them, so that an older client can read a newer server's answers.
"""

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

MAX_ID_LENGTH = 128
MAX_CATEGORY_LENGTH = 300
MAX_ITEMS = 100
MAX_BASKET_ITEMS = 100
MAX_EXCLUDED_ITEMS = 500
MAX_ADS = 10
MAX_EVENTS = 500
MAX_ENTITIES = 500
MAX_FEATURES = 1000
MAX_QUANTITY = 10**6
MAX_VALUE = 1e9
MAX_CLOCK_SKEW = timedelta(seconds=120)
MAX_EVENT_AGE = timedelta(days=30)


def has_control_characters(value: str) -> bool:
    """Whether a character is in one of Unicode's categories C*: control, format, surrogate, private
    use, unassigned. Not printable are these, and separators but the space."""
    return not value.isprintable() and any(
        unicodedata.category(character).startswith("C") for character in value
    )


def _printable(value: str) -> str:
    """Reject blank values and control characters."""
    if not value.strip():
        raise ValueError("must not be blank")
    if has_control_characters(value):
        raise ValueError("must not contain control characters")
    return value


def _recent(moment: datetime) -> datetime:
    now = datetime.now(UTC)
    if moment > now + MAX_CLOCK_SKEW:
        raise ValueError(f"must not be in the future; it is now {now:%Y-%m-%dT%H:%M:%SZ}")
    if moment < now - MAX_EVENT_AGE:
        raise ValueError(f"must be within {MAX_EVENT_AGE.days} days; land older events as files")
    return moment


Id = Annotated[
    str,
    Field(min_length=1, max_length=MAX_ID_LENGTH, pattern=r"^[^\x00-\x1f\x7f]+$"),
    AfterValidator(_printable),
]
ItemCount = Annotated[int, Field(ge=1, le=MAX_ITEMS, description="Maximum number of items.")]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
ServiceName = Annotated[str, Field(max_length=128, examples=["portrait"])]
FeatureReference = Annotated[str, Field(max_length=256)]
EventType = Literal["view", "search", "cart", "purchase", "return", "rating"]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Response(BaseModel):
    model_config = ConfigDict(frozen=True)


class ReleaseResponse(Response):
    """``release_id`` and ``snapshot_id``: the release that answered, and its snapshot."""

    release_id: str
    snapshot_id: str


class Item(Response):
    item_id: str
    title: str
    category: str | None


class Problem(Response):
    """A problem document (RFC 9457). ``remedy`` is an extension member."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    remedy: str | None = Field(None, description="How to fix the request.")


class RecommendationsQuery(Request):
    user_id: Id
    k: ItemCount = 10
    placement: Id = Field("home", description="Where the items are shown, such as a page.")
    exclude_bought: bool = Field(False, description="Exclude items that the user ever bought.")
    exclude: list[Id] = Field(
        [],
        max_length=MAX_EXCLUDED_ITEMS,
        description="Item ids to exclude, such as items that are out of stock. Repeatable.",
    )
    category: str | None = Field(
        None,
        max_length=MAX_CATEGORY_LENGTH,
        description="Category path. Only items within it are returned.",
        examples=["Grocery", "Grocery > Soup"],
    )
    price_min: Price | None = Field(None, description="Lowest price, inclusive.")
    price_max: Price | None = Field(None, description="Highest price, inclusive.")
    diversity: float = Field(
        0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Weight of diversity in re-ranking (MMR): 0 ranks by score alone.",
    )
    reasons: bool = Field(False, description="Explain each item by an item of the user's history.")


class Reason(Response):
    """The item of the user's history that contributes most to a recommended item's score."""

    item_id: str
    title: str
    because: str = Field(description="The reason as text.", examples=["because you bought Bread"])
    drop: float = Field(description="Decrease of the score without this history item; above 0.")


class RecommendedItem(Item):
    price: float | None
    score: float = Field(
        description="Comparable within one response if it was ranked by the ranking model, else "
        "within one source of it."
    )
    source: str = Field(description="Candidate source.", examples=["ranker", "retriever"])
    propensity: float = Field(
        description="Probability of this item at this position, given the items before it."
    )
    impression_id: str = Field(description="Send it with the events that this item leads to.")
    reason: Reason | None = Field(
        description="Null if reasons were not requested or none could be verified."
    )


RankedBy = Literal["ranking_model", "precomputed"]
Fallback = Literal["no_model", "model_unreadable", "features_missing", "no_candidates", "failed"]
RankedByField = Annotated[
    RankedBy,
    Field(
        description="ranking_model: scored for this request with online features. precomputed: a "
        "list, vectors or popularity of the release."
    ),
]
FallbackField = Annotated[
    Fallback | None,
    Field(
        description="Why the ranking model did not rank; null where it did. no_model: the release "
        "has none. model_unreadable: its files are corrupt. features_missing: the online store "
        "lacks a view or its rows. no_candidates: no source knows the user."
    ),
]


class Recommendations(ReleaseResponse):
    """Items in display order. The response is logged as shown."""

    user_id: str
    origin: str = Field(description="What ranked the items.")
    ranked_by: RankedByField
    fallback: FallbackField
    policy: str = Field(description="Policy that selected the slate.")
    slate_id: str
    items: list[RecommendedItem]
    reasons_by: str | None = Field(description="Model family whose scores the reasons explain.")
    reasons_withheld: str | None = Field(description="Why requested reasons are not given.")


class SimilarItemsQuery(Request):
    item_id: Id
    k: ItemCount = 10
    category: str | None = Field(
        None, max_length=MAX_CATEGORY_LENGTH, description="Category path of the similar items."
    )


class SimilarItem(Item):
    score: float = Field(description="Cosine similarity of the two item vectors.")


class SimilarItems(ReleaseResponse):
    """Items by descending similarity."""

    item_id: str
    items: list[SimilarItem]


class BasketQuery(Request):
    item_id: list[Id] = Field(
        min_length=1, max_length=MAX_BASKET_ITEMS, description="Item in the basket. Repeatable."
    )
    k: ItemCount = 10
    user_id: Id | None = Field(
        None, description="Owner of the basket. If set, the response is logged as shown."
    )
    placement: Id = Field("basket", description="Where the items are shown.")


class BasketItem(Item):
    price: float | None
    score: float = Field(description="Cosine similarity of the item vector and the basket vector.")
    impression_id: str | None = Field(description="Null if no user_id was given.")


class BasketCompletion(ReleaseResponse):
    """Items by descending similarity, without those in the basket."""

    user_id: str | None
    origin: str
    policy: str
    slate_id: str | None = Field(description="Null if no user_id was given.")
    ignored: list[str] = Field(description="Items of the basket that have no vector.")
    items: list[BasketItem]


class AdsQuery(Request):
    user_id: Id
    k: int = Field(1, ge=1, le=MAX_ADS, description="Maximum number of ads.")
    placement: Id = Field("ads", description="Where the ads are shown.")


class Ad(Response):
    ad_id: str
    probability: float = Field(description="Predicted probability of a response.")
    seen: int = Field(description="Impressions for this user today, including this one.")
    cap: int = Field(description="Maximum impressions for a user in a day.")
    impression_id: str = Field(description="Send it with the events that this ad leads to.")


class Ads(ReleaseResponse):
    """Ads by descending value. Empty if the plan has none for the user, or all were shown."""

    user_id: str
    policy: str
    slate_id: str
    ads: list[Ad]


class UserQuery(Request):
    """Parameters of the routes that describe one user."""

    user_id: Id


class Interest(Response):
    category: str = Field(description="Category path.", examples=["Grocery > Soup"])
    weight: float = Field(description="Expected share of the user's actions in this category.")
    low: float = Field(description="Lower bound of the weight's 90 % interval.")
    high: float = Field(description="Upper bound of the weight's 90 % interval.")
    half_life_days: float = Field(
        description="Days within which a user with this interest returns with probability 0.5."
    )
    trend: float = Field(description="Change of the weight over the last 28 days.")
    evidence: float = Field(
        description="Number of supporting actions. 0: the weight is the average of all users."
    )
    transferred: float = Field(description="Share of the weight from cross-domain transfer.")


class Portrait(ReleaseResponse):
    """A user's interests by descending weight, and descriptive features."""

    user_id: str
    lifecycle_stage: str
    price_band: str | None
    brand_loyalty: float | None
    segment: str | None = Field(description="Null if the user has no vector in this release.")
    evidence: float = Field(description="Number of actions behind all interests.")
    interests: list[Interest]


class ActivityEvent(Response):
    item_id: str
    event_type: str
    event_at: datetime = Field(description="UTC.")
    fresh: bool = Field(description="True if the live release does not include the event.")


class Activity(ReleaseResponse):
    """Event-level features of a user, up to date with the last posted event.

    For an unknown user all of them are empty.
    """

    user_id: str
    last_event_at: datetime | None = Field(description="UTC.")
    events_since: dict[str, int] = Field(description="Events after the snapshot, by event_type.")
    latest: list[ActivityEvent] = Field(description="Latest events with an item, newest first.")


class FeaturesRequest(Request):
    """Set either ``service`` or ``features``."""

    service: ServiceName | None = Field(None, description="Name of a feature service.")
    features: list[FeatureReference] = Field(
        [],
        max_length=MAX_FEATURES,
        description="Feature references, as view:feature.",
        examples=[["user_statistics:spend_28d"]],
    )
    entities: list[dict[str, Id]] = Field(
        min_length=1,
        max_length=MAX_ENTITIES,
        description="Entity keys of each row.",
        examples=[[{"user_id": "1104"}, {"user_id": "387"}]],
    )

    @model_validator(mode="after")
    def _check_one_selector(self) -> "FeaturesRequest":
        if self.service is not None and self.features:
            raise ValueError("the request has both service and features; send one of them")
        return self

    @property
    def selection(self) -> str | list[str]:
        return self.features if self.service is None else self.service


class Features(Response):
    """A row for each entity, in request order: its keys, and each feature as ``view__feature``.

    Features of unknown entities are null, as are NaN and infinite values.
    """

    snapshot_id: str
    rows: list[dict[str, Any]]


class Event(Request):
    """A user's action."""

    model_config = ConfigDict(allow_inf_nan=False)

    event_id: Id = Field(description="Set by the client, unique for each of its events of a user.")
    user_id: Id
    session_id: Id
    event_type: EventType
    event_at: Annotated[AwareDatetime, AfterValidator(_recent)] = Field(
        examples=["2026-03-01T12:00:00Z"]
    )
    item_id: Id | None = Field(None, description="Required unless event_type is search.")
    quantity: int | None = Field(None, strict=True, ge=-MAX_QUANTITY, le=MAX_QUANTITY)
    value: float | None = Field(
        None,
        strict=True,
        ge=-MAX_VALUE,
        le=MAX_VALUE,
        description="Amount in the shop's currency.",
    )
    query: str | None = Field(None, max_length=1000, description="Search text.")
    impression_id: Id | None = Field(
        None, description="Impression that led to the event, from an earlier response."
    )

    @model_validator(mode="after")
    def _check_item_and_quantity(self) -> "Event":
        if self.item_id is None and self.event_type != "search":
            raise ValueError("item_id is required unless event_type is search")
        if self.quantity is not None and self.quantity < 0 and self.event_type != "return":
            raise ValueError("quantity must not be negative unless event_type is return")
        return self


class EventsRequest(Request):
    """Events that are accepted together: all or none."""

    events: list[Event] = Field(min_length=1, max_length=MAX_EVENTS)


class EventsReceived(Response):
    """The events are stored durably."""

    received: int = Field(description="Number of events in the request.")
