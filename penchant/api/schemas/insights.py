"""Models of the uses of interests beside recommendation."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from penchant.api_schemas import MAX_CATEGORY_LENGTH, Id, Item, ItemCount, Request, Response

MAX_RESTOCK = 1000
MAX_FADING = 1000
MAX_AUDIENCE = 500
MAX_ASPECTS = 100
MAX_PASSAGES = 50
MAX_QUERY_LENGTH = 200


class DemandQuery(Request):
    """Without ``item_id`` and ``category``, the whole shop."""

    item_id: Id | None = None
    category: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_CATEGORY_LENGTH,
        description="First level of a category path.",
        examples=["Grocery"],
    )


class ExpectedPieces(Response):
    """Pieces in a period that begins on ``start``, with the 90 % prediction interval."""

    start: date
    mean: float
    low: float
    high: float


class DemandForecast(Response):
    """Expected pieces of the four weeks after the snapshot, and of their days."""

    snapshot_id: str
    level: Literal["item", "category", "shop"]
    item_id: str | None
    category: str | None
    volume_class: str = Field(description="slow, medium or fast for an item; else its level.")
    method: str = Field(description="The method that forecasts this volume class.")
    history: list[float] = Field(description="Pieces of the last weeks, oldest first.")
    weeks: list[ExpectedPieces]
    days: list[ExpectedPieces]


class RestockQuery(Request):
    lead_days: int = Field(7, ge=1, le=28, description="Days until a delivery arrives.")
    service_level: float = Field(
        0.95, ge=0.5, le=0.99, description="Share of lead times without a stock-out."
    )
    k: int = Field(100, ge=1, le=MAX_RESTOCK, description="Maximum number of items.")


class RestockItem(Item):
    """``reorder_point``: pieces to have when a delivery is ordered."""

    expected: float = Field(description="Expected pieces of the lead time.")
    safety_stock: float
    reorder_point: float


class RestockList(Response):
    """Items by reorder point, the largest first."""

    snapshot_id: str
    lead_days: int
    service_level: float
    items: list[RestockItem]


class RetentionQuery(Request):
    user_id: Id


class UserRetention(Response):
    """A user's return and value, predicted as of the snapshot."""

    user_id: str
    return_probability: float = Field(description="Of an order within 28 days.")
    expected_value: float = Field(description="Expected spending of the next 90 days.")
    alive_probability: float = Field(description="Of still being a customer, by BG/NBD.")
    orders: int = Field(description="Days with an order so far.")
    days_since_last_order: int
    usual_gap_days: float | None = Field(
        description="Mean days between orders; null after one order."
    )
    fading: bool = Field(description="Silent for longer than their own pace explains.")
    fading_interest: str | None = Field(
        description="The interest whose share falls most, for a fading user."
    )


class Retention(UserRetention):
    snapshot_id: str


class FadingQuery(Request):
    k: int = Field(100, ge=1, le=MAX_FADING, description="Maximum number of users.")


class FadingUsers(Response):
    """Fading users, those who would spend most first."""

    snapshot_id: str
    fading: int = Field(description="Number of all fading users.")
    users: list[UserRetention]


class SearchQuery(Request):
    q: str = Field(
        min_length=1,
        max_length=MAX_QUERY_LENGTH,
        description="Words. The last may be the beginning of one, unless a space follows.",
        examples=["peanut but"],
    )
    user_id: Id | None = Field(None, description="Re-ranks by this user's interests.")
    k: ItemCount = 10


class SearchItem(Item):
    score: float = Field(description="Comparable only within one response.")


class SearchAnswer(Response):
    """Items, best first."""

    snapshot_id: str
    matched: Literal["all words", "some words", "searches", "popular"] = Field(
        description="What the items have in common with the query: its words, what users acted on "
        "after this search, or nothing: then they are popular."
    )
    corrected: dict[str, str] = Field(
        description="Unknown words, with the known word that was searched instead."
    )
    personalized: bool = Field(description="Whether the user's interests were known.")
    items: list[SearchItem]


class AudienceQuery(Request):
    item_id: Id
    k: int = Field(100, ge=1, le=MAX_AUDIENCE, description="Maximum number of users.")


class AudienceSegment(Response):
    """A main category of users, which the audience has more of than all users."""

    category: str
    share: float = Field(description="Share of the audience.")
    share_of_all: float = Field(description="Share of all users.")


class Audience(Response):
    """The users most likely to buy a new item, best first."""

    snapshot_id: str
    item_id: str
    title: str
    method: Literal["learned", "category purchases"]
    segments: list[AudienceSegment]
    users: list[str]


class VoiceQuery(Request):
    """Without ``item_id`` and ``category``, the whole shop."""

    item_id: Id | None = None
    category: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_CATEGORY_LENGTH,
        description="First level of a category path.",
        examples=["Grocery"],
    )
    k: int = Field(20, ge=1, le=MAX_ASPECTS, description="Maximum number of aspects.")


class Quote(Response):
    """A sentence of a review, or a review, as it was written."""

    item_id: str
    reviewed_at: datetime | None
    text: str
    sentiment: float | None = Field(description="Probability that it is favourable.")


class AspectMonth(Response):
    month: str = Field(examples=["2024-03"])
    mentions: int
    sentiment: float


class Aspect(Response):
    """What reviews are about, with how favourable the sentences about it are."""

    aspect: str
    language: str = Field(description="ISO 639-1, und where unknown.")
    reviews: int = Field(description="Reviews that mention it.")
    sentiment: float = Field(description="Mean probability that a sentence is favourable.")
    trend: float | None = Field(
        description="Sentiment of the last three months less that before; null with few mentions."
    )
    months: list[AspectMonth]
    quotes: list[Quote] = Field(description="A typical favourable and unfavourable sentence.")


class TopicMonth(Response):
    month: str = Field(examples=["2024-03"])
    share: float


class Topic(Response):
    language: str
    words: list[str]
    share: float = Field(description="Mean share of the reviews of its language.")
    months: list[TopicMonth]
    quotes: list[Quote]


class Voice(Response):
    """Aspects, those of most reviews first; topics of the whole shop only."""

    snapshot_id: str
    level: Literal["item", "category", "shop"]
    item_id: str | None
    category: str | None
    scored_by: Literal["text", "rating"] = Field(
        description="What sentiment is from: the text, or, with too few reviews, the rating."
    )
    aspects: list[Aspect]
    topics: list[Topic]


class AnswersQuery(Request):
    q: str = Field(
        min_length=1,
        max_length=MAX_QUERY_LENGTH,
        description="A question in words.",
        examples=["Does the colour fade in the wash?"],
    )
    item_id: Id | None = Field(None, description="Only passages about this item.")
    k: int = Field(5, ge=1, le=MAX_PASSAGES, description="Maximum number of passages.")


class AnswerPassage(Response):
    """A sentence, or the shop's answer to an earlier question, as it was written."""

    item_id: str | None = Field(description="Null for an answer about the shop.")
    source: Literal["review", "description", "answer"]
    reviewed_at: datetime | None
    text: str
    question: str | None = Field(description="The earlier question that the shop answered.")
    score: float = Field(description="Comparable only within one response.")


class Answers(Response):
    """Quoted passages, best first; none where nothing has a word of the question."""

    snapshot_id: str
    passages: list[AnswerPassage]
