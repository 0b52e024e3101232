"""Models of responses, and of the parts of requests.

Generated from the OpenAPI description by `make client`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Dict, List, Literal, Optional

__all__ = [
    "Activity",
    "ActivityEvent",
    "Ad",
    "Ads",
    "AnswerPassage",
    "Answers",
    "Aspect",
    "AspectDifference",
    "AspectMonth",
    "AssortmentGap",
    "Audience",
    "AudienceSegment",
    "BasketCompletion",
    "BasketItem",
    "CampaignOffer",
    "CampaignPlan",
    "CampaignPlans",
    "CampaignUsers",
    "Competitors",
    "Context",
    "Contribution",
    "DemandForecast",
    "Event",
    "EventsDeleted",
    "EventsReceived",
    "Expectation",
    "ExpectedPieces",
    "FadingUsers",
    "Features",
    "HeldData",
    "Interest",
    "ItemToPut",
    "ListedItem",
    "Listing",
    "MatchedItem",
    "OwnEvent",
    "OwnEvents",
    "PastEvent",
    "Portrait",
    "PriceIndex",
    "Quote",
    "RankItem",
    "RankedItem",
    "Ranking",
    "Reason",
    "Receipt",
    "RecommendResponse",
    "RecommendUser",
    "Recommendations",
    "RecommendedItem",
    "RestockItem",
    "RestockList",
    "Retention",
    "SearchAnswer",
    "SearchItem",
    "SelectedItem",
    "SessionEvent",
    "SimilarItem",
    "SimilarItems",
    "Stored",
    "SubjectExport",
    "SubjectRequest",
    "SubjectRequests",
    "Topic",
    "TopicMonth",
    "UserOffer",
    "UserRecommendations",
    "UserRetention",
    "UserSegment",
    "UserToPut",
    "Voice",
]


@dataclass(frozen=True)
class ActivityEvent:
    """event_at: UTC.
    fresh: True if the live release does not include the event.
    """

    item_id: str
    event_type: str
    event_at: datetime
    fresh: bool


@dataclass(frozen=True)
class Activity:
    """Event-level features of a user, up to date with the last posted event.

    For an unknown user all of them are empty.

    last_event_at: UTC.
    events_since: Events after the snapshot, by event_type.
    latest: Latest events with an item, newest first.
    """

    release_id: str
    snapshot_id: str
    user_id: str
    last_event_at: Optional[datetime]
    events_since: Dict[str, int]
    latest: List[ActivityEvent]


@dataclass(frozen=True)
class Ad:
    """probability: Predicted probability of a response.
    seen: Impressions for this user today, including this one.
    cap: Maximum impressions for a user in a day.
    impression_id: Send it with the events that this ad leads to.
    """

    ad_id: str
    probability: float
    seen: int
    cap: int
    impression_id: str


@dataclass(frozen=True)
class Ads:
    """Ads by descending value. Empty if the plan has none for the user, or all were shown."""

    release_id: str
    snapshot_id: str
    user_id: str
    policy: str
    slate_id: str
    ads: List[Ad]


@dataclass(frozen=True)
class AnswerPassage:
    """A sentence, or the shop's answer to an earlier question, as it was written.

    item_id: Null for an answer about the shop.
    question: The earlier question that the shop answered.
    score: Comparable only within one response.
    """

    item_id: Optional[str]
    source: Literal["review", "description", "answer"]
    reviewed_at: Optional[datetime]
    text: str
    question: Optional[str]
    score: float


@dataclass(frozen=True)
class Answers:
    """Quoted passages, best first; none where nothing has a word of the question."""

    snapshot_id: str
    passages: List[AnswerPassage]


@dataclass(frozen=True)
class AudienceSegment:
    """A main category of users, which the audience has more of than all users.

    share: Share of the audience.
    share_of_all: Share of all users.
    """

    category: str
    share: float
    share_of_all: float


@dataclass(frozen=True)
class Audience:
    """The users most likely to buy a new item, best first."""

    snapshot_id: str
    item_id: str
    title: str
    method: Literal["learned", "category purchases"]
    segments: List[AudienceSegment]
    users: List[str]


@dataclass(frozen=True)
class BasketItem:
    """score: Cosine similarity of the item vector and the basket vector.
    impression_id: Null if no user_id was given.
    """

    item_id: str
    title: str
    category: Optional[str]
    price: Optional[float]
    score: float
    impression_id: Optional[str]


@dataclass(frozen=True)
class BasketCompletion:
    """Items by descending similarity, without those in the basket.

    slate_id: Null if no user_id was given.
    ignored: Items of the basket that have no vector.
    """

    release_id: str
    snapshot_id: str
    user_id: Optional[str]
    origin: str
    policy: str
    slate_id: Optional[str]
    ignored: List[str]
    items: List[BasketItem]


@dataclass(frozen=True)
class UserOffer:
    """discount: Share of the price.
    added: Expected added spending.
    cost: Expected cost.
    """

    user_id: str
    offer: str
    discount: float
    added: float
    cost: float


@dataclass(frozen=True)
class CampaignUsers:
    """Offers to send; users who are held out are not in it."""

    snapshot_id: str
    campaign: str
    offers: List[UserOffer]


@dataclass(frozen=True)
class Expectation:
    """Money, with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class CampaignOffer:
    """items: Number of items that the offer is for.
    users: Number of users to send it to.
    discounts: Number of them by discount.
    added: Spending that the offer adds.
    """

    kind: str
    items: int
    users: int
    discounts: Dict[str, int]
    cost: Expectation
    added: Expectation


@dataclass(frozen=True)
class CampaignPlan:
    """What a campaign is expected to add and to cost.

    users: Number of users to send an offer to.
    held_out: Number of users who get nothing, to compare with.
    added: Spending that the campaign adds.
    worth: What the goal counts.
    detectable: Smallest added spending per user that the held-out users can show.
    """

    name: str
    snapshot_id: str
    goal: Literal["profit", "sales", "offered_sales"]
    budget: float
    starts_on: str
    ends_on: str
    users: int
    held_out: int
    cost: Expectation
    added: Expectation
    worth: Expectation
    detectable: float
    offers: Dict[str, CampaignOffer]


@dataclass(frozen=True)
class CampaignPlans:
    """Those that begin last first."""

    campaigns: List[CampaignPlan]


@dataclass(frozen=True)
class PriceIndex:
    """Their price of what we sell over ours, weighed by our pieces sold.

    category: First level of ours; null for all.
    cheaper: Share of the items that they sell for less.
    mean: 1 where prices are equal, below where theirs are lower.
    """

    category: Optional[str]
    items: int
    cheaper: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class MatchedItem:
    """MatchedItem"""

    their_item_id: str
    their_title: str
    their_price: Optional[float]
    item_id: str
    title: str
    price: Optional[float]
    confidence: float


@dataclass(frozen=True)
class AssortmentGap:
    """An item of theirs that we do not have.

    item_id: Their id.
    category: Our category of the nearest items.
    interest: Its share in the interests of our users.
    score: Interest times how little it is like what we have.
    """

    item_id: str
    title: str
    brand: Optional[str]
    price: Optional[float]
    category: Optional[str]
    interest: float
    score: float


@dataclass(frozen=True)
class AspectDifference:
    """Mean sentiment of reviews that mention an aspect.

    difference: Theirs less ours.
    """

    aspect: str
    language: str
    our_reviews: int
    their_reviews: int
    ours: float
    theirs: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Competitors:
    """The comparison with one competitor.

    known: All competitors.
    """

    snapshot_id: str
    competitor: str
    known: List[str]
    items: int
    matched: int
    prices: List[PriceIndex]
    matches: List[MatchedItem]
    gaps: List[AssortmentGap]
    aspects: List[AspectDifference]


@dataclass(frozen=True)
class ExpectedPieces:
    """Pieces in a period that begins on `start`, with the 90 % prediction interval."""

    start: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class DemandForecast:
    """Expected pieces of the four weeks after the snapshot, and of their days.

    volume_class: slow, medium or fast for an item; else its level.
    method: The method that forecasts this volume class.
    history: Pieces of the last weeks, oldest first.
    """

    snapshot_id: str
    level: Literal["item", "category", "shop"]
    item_id: Optional[str]
    category: Optional[str]
    volume_class: str
    method: str
    history: List[float]
    weeks: List[ExpectedPieces]
    days: List[ExpectedPieces]


@dataclass(frozen=True)
class Event:
    """A user's action.

    event_id: Set by the client, unique for each of its events of a user.
    item_id: Required unless event_type is search.
    value: Amount in the shop's currency.
    query: Search text.
    impression_id: Impression that led to the event, from an earlier response.
    """

    event_id: str
    user_id: str
    session_id: str
    event_type: Literal["view", "search", "cart", "purchase", "return", "rating"]
    event_at: datetime
    item_id: Optional[str] = None
    quantity: Optional[int] = None
    value: Optional[float] = None
    query: Optional[str] = None
    impression_id: Optional[str] = None


@dataclass(frozen=True)
class EventsReceived:
    """The events are stored durably.

    received: Number of events in the request.
    """

    received: int


@dataclass(frozen=True)
class OwnEvent:
    """event_at: UTC."""

    event_id: str
    session_id: str
    event_type: Literal["view", "search", "cart", "purchase", "return", "rating"]
    item_id: Optional[str]
    quantity: Optional[int]
    value: Optional[float]
    query: Optional[str]
    event_at: datetime
    impression_id: Optional[str]


@dataclass(frozen=True)
class OwnEvents:
    """Events that this client sent of a user, newest first."""

    user_id: str
    events: List[OwnEvent]


@dataclass(frozen=True)
class EventsDeleted:
    """The deletion is stored durably.

    deleted: Number of events that were not deleted before.
    """

    deleted: int


@dataclass(frozen=True)
class PastEvent:
    """A user's action of any age, from the time before the shop sent events.

    event_id: Set by the client, unique for each of its events of a user.
    item_id: Required unless event_type is search.
    value: Amount in the shop's currency.
    query: Search text.
    impression_id: Impression that led to the event, from an earlier response.
    """

    event_id: str
    user_id: str
    session_id: str
    event_type: Literal["view", "search", "cart", "purchase", "return", "rating"]
    event_at: datetime
    item_id: Optional[str] = None
    quantity: Optional[int] = None
    value: Optional[float] = None
    query: Optional[str] = None
    impression_id: Optional[str] = None


@dataclass(frozen=True)
class UserRetention:
    """A user's return and value, predicted as of the snapshot.

    return_probability: Of an order within 28 days.
    expected_value: Expected spending of the next 90 days.
    alive_probability: Of still being a customer, by BG/NBD.
    orders: Days with an order so far.
    usual_gap_days: Mean days between orders; null after one order.
    fading: Silent for longer than their own pace explains.
    fading_interest: The interest whose share falls most, for a fading user.
    """

    user_id: str
    return_probability: float
    expected_value: float
    alive_probability: float
    orders: int
    days_since_last_order: int
    usual_gap_days: Optional[float]
    fading: bool
    fading_interest: Optional[str]


@dataclass(frozen=True)
class FadingUsers:
    """Fading users, those who would spend most first.

    fading: Number of all fading users.
    """

    snapshot_id: str
    fading: int
    users: List[UserRetention]


@dataclass(frozen=True)
class Features:
    """A row for each entity, in request order: its keys, and each feature as `view__feature`.

    Features of unknown entities are null, as are NaN and infinite values.
    """

    snapshot_id: str
    rows: List[Dict[str, Any]]


@dataclass(frozen=True)
class ItemToPut:
    """An item with all its attributes: what is left out is empty afterwards.

    category: Category path, the widest first.
    price: In the shop's currency.
    first_seen_at: When it was first sold; the time of its first arrival by default.
    """

    item_id: str
    title: str
    description: Optional[str] = None
    category: Optional[List[str]] = None
    brand: Optional[str] = None
    price: Optional[float] = None
    first_seen_at: Optional[datetime] = None


@dataclass(frozen=True)
class Stored:
    """The rows are stored durably.

    received: Number of rows in the request.
    """

    received: int


@dataclass(frozen=True)
class ListedItem:
    """score: Comparable only within one response."""

    item_id: str
    title: str
    category: Optional[str]
    price: Optional[float]
    score: float


@dataclass(frozen=True)
class Listing:
    """Items, best first. Fewer than k if the list has fewer in the category."""

    release_id: str
    snapshot_id: str
    items: List[ListedItem]


@dataclass(frozen=True)
class Interest:
    """category: Category path.
    weight: Expected share of the user's actions in this category.
    low: Lower bound of the weight's 90 % interval.
    high: Upper bound of the weight's 90 % interval.
    half_life_days: Days within which a user with this interest returns with probability 0.5.
    trend: Change of the weight over the last 28 days.
    evidence: Number of supporting actions. 0: the weight is the average of all users.
    transferred: Share of the weight from cross-domain transfer.
    """

    category: str
    weight: float
    low: float
    high: float
    half_life_days: float
    trend: float
    evidence: float
    transferred: float


@dataclass(frozen=True)
class Portrait:
    """A user's interests by descending weight, and descriptive features.

    segment: Null if the user has no vector in this release.
    evidence: Number of actions behind all interests.
    """

    release_id: str
    snapshot_id: str
    user_id: str
    lifecycle_stage: str
    price_band: Optional[str]
    brand_loyalty: Optional[float]
    segment: Optional[str]
    evidence: float
    interests: List[Interest]


@dataclass(frozen=True)
class RankItem:
    """A candidate. `fields`: numbers of this request, such as a margin."""

    item_id: str
    fields: Optional[Dict[str, float]] = None


@dataclass(frozen=True)
class SessionEvent:
    """An event of the request: folded in for this response, not stored.

    session_id: Set it if the event is posted too, so that it counts once.
    """

    item_id: str
    event_type: Literal["view", "cart", "purchase", "rating"] = "view"
    session_id: Optional[str] = None


@dataclass(frozen=True)
class Context:
    """Where the items are shown. It is logged with the impressions.

    placement: Where the items are shown, such as a page.
    item_id: Item of the page: left out, and similar items move up.
    locale: Language tag.
    """

    placement: str = "home"
    item_id: Optional[str] = None
    device: Optional[str] = None
    locale: Optional[str] = None


@dataclass(frozen=True)
class Contribution:
    """What one term adds to an item's score.

    name: relevance, or a field of the request.
    value: The item's score or field; null if there is none.
    rank: From 1, among the candidates; null without a value.
    contribution: Share of the score.
    """

    name: str
    value: Optional[float]
    rank: Optional[int]
    contribution: float


@dataclass(frozen=True)
class Reason:
    """The item of the user's history that contributes most to a recommended item's score.

    because: The reason as text.
    drop: Decrease of the score without this history item; above 0.
    """

    item_id: str
    title: str
    because: str
    drop: float


@dataclass(frozen=True)
class RankedItem:
    """Title and what follows are null for an item that the catalogue lacks.

    score: Sum of the contributions.
    source: What the relevance comes from.
    impression_id: Null if no user_id was given.
    """

    item_id: str
    score: float
    contributions: List[Contribution]
    title: Optional[str]
    category: Optional[str]
    price: Optional[float]
    source: Optional[str]
    impression_id: Optional[str]
    reason: Optional[Reason]


@dataclass(frozen=True)
class Ranking:
    """The best k candidates, best first.

    origin: What ranked the items by relevance.
    slate_id: Null if no user_id was given.
    unknown: Candidates that the catalogue lacks: ranked by their fields alone.
    """

    release_id: str
    snapshot_id: str
    user_id: Optional[str]
    origin: str
    policy: str
    slate_id: Optional[str]
    items: List[RankedItem]
    unknown: List[str]
    reasons_by: Optional[str]
    reasons_withheld: Optional[str]


@dataclass(frozen=True)
class RecommendUser:
    """A user of the request; an anonymous visitor without `user_id`.

    user_id: Null for an anonymous visitor, whose response is not logged as shown.
    events: Events of the session, oldest first.
    cursor: next_cursor of the page before, with the same options.
    """

    user_id: Optional[str] = None
    events: Optional[List[SessionEvent]] = None
    cursor: Optional[str] = None


@dataclass(frozen=True)
class SelectedItem:
    """An item with the requested fields; the others are absent.

    score: Comparable only within one source of one response.
    source: Candidate source.
    propensity: Probability of this item at this position, given those before it.
    impression_id: Send it with the events that this item leads to.
    """

    item_id: str
    title: Optional[str] = None
    category: Optional[str] = None
    price: Optional[float] = None
    score: Optional[float] = None
    source: Optional[str] = None
    propensity: Optional[float] = None
    impression_id: Optional[str] = None
    reason: Optional[Reason] = None


@dataclass(frozen=True)
class UserRecommendations:
    """Items in display order. Logged as shown unless user_id is null.

    origin: What ranked the items.
    ranked_by: ranking_model: scored for this request with online features. precomputed: a
      list, vectors or popularity of the release.
    fallback: Why the ranking model did not rank; null where it did. no_model: the release has
      none. model_unreadable: its files are corrupt. features_missing: the online store lacks
      a view or its rows. no_candidates: no source knows the user.
    policy: Policy that selected the slate.
    slate_id: Null for an anonymous visitor.
    next_cursor: For the next page; null if there is none.
    reasons_by: Model family whose scores the reasons explain.
    reasons_withheld: Why requested reasons are not given.
    """

    user_id: Optional[str]
    origin: str
    ranked_by: Literal["ranking_model", "precomputed"]
    fallback: Optional[
        Literal["no_model", "model_unreadable", "features_missing", "no_candidates", "failed"]
    ]
    policy: str
    slate_id: Optional[str]
    items: List[SelectedItem]
    next_cursor: Optional[str]
    reasons_by: Optional[str]
    reasons_withheld: Optional[str]


@dataclass(frozen=True)
class RecommendResponse:
    """A result for each user, in request order, all from one release."""

    release_id: str
    snapshot_id: str
    results: List[UserRecommendations]


@dataclass(frozen=True)
class RecommendedItem:
    """score: Comparable within one response if it was ranked by the ranking model, else within
      one source of it.
    source: Candidate source.
    propensity: Probability of this item at this position, given the items before it.
    impression_id: Send it with the events that this item leads to.
    reason: Null if reasons were not requested or none could be verified.
    """

    item_id: str
    title: str
    category: Optional[str]
    price: Optional[float]
    score: float
    source: str
    propensity: float
    impression_id: str
    reason: Optional[Reason]


@dataclass(frozen=True)
class Recommendations:
    """Items in display order. The response is logged as shown.

    origin: What ranked the items.
    ranked_by: ranking_model: scored for this request with online features. precomputed: a
      list, vectors or popularity of the release.
    fallback: Why the ranking model did not rank; null where it did. no_model: the release has
      none. model_unreadable: its files are corrupt. features_missing: the online store lacks
      a view or its rows. no_candidates: no source knows the user.
    policy: Policy that selected the slate.
    reasons_by: Model family whose scores the reasons explain.
    reasons_withheld: Why requested reasons are not given.
    """

    release_id: str
    snapshot_id: str
    user_id: str
    origin: str
    ranked_by: Literal["ranking_model", "precomputed"]
    fallback: Optional[
        Literal["no_model", "model_unreadable", "features_missing", "no_candidates", "failed"]
    ]
    policy: str
    slate_id: str
    items: List[RecommendedItem]
    reasons_by: Optional[str]
    reasons_withheld: Optional[str]


@dataclass(frozen=True)
class RestockItem:
    """`reorder_point`: pieces to have when a delivery is ordered.

    expected: Expected pieces of the lead time.
    """

    item_id: str
    title: str
    category: Optional[str]
    expected: float
    safety_stock: float
    reorder_point: float


@dataclass(frozen=True)
class RestockList:
    """Items by reorder point, the largest first."""

    snapshot_id: str
    lead_days: int
    service_level: float
    items: List[RestockItem]


@dataclass(frozen=True)
class Retention:
    """return_probability: Of an order within 28 days.
    expected_value: Expected spending of the next 90 days.
    alive_probability: Of still being a customer, by BG/NBD.
    orders: Days with an order so far.
    usual_gap_days: Mean days between orders; null after one order.
    fading: Silent for longer than their own pace explains.
    fading_interest: The interest whose share falls most, for a fading user.
    """

    user_id: str
    return_probability: float
    expected_value: float
    alive_probability: float
    orders: int
    days_since_last_order: int
    usual_gap_days: Optional[float]
    fading: bool
    fading_interest: Optional[str]
    snapshot_id: str


@dataclass(frozen=True)
class SearchItem:
    """score: Comparable only within one response."""

    item_id: str
    title: str
    category: Optional[str]
    score: float


@dataclass(frozen=True)
class SearchAnswer:
    """Items, best first.

    matched: What the items have in common with the query: its words, what users acted on
      after this search, or nothing: then they are popular.
    corrected: Unknown words, with the known word that was searched instead.
    personalized: Whether the user's interests were known.
    """

    snapshot_id: str
    matched: Literal["all words", "some words", "searches", "popular"]
    corrected: Dict[str, str]
    personalized: bool
    items: List[SearchItem]


@dataclass(frozen=True)
class UserSegment:
    """Users like this one, as a group.

    segment: Name of the segment within this release.
    users: Number of users in the segment.
    interests: Category paths they have more of than others.
    items: Items for the mean vector of the segment.
    """

    release_id: str
    snapshot_id: str
    user_id: str
    segment: str
    users: int
    interests: List[str]
    items: List[ListedItem]


@dataclass(frozen=True)
class SimilarItem:
    """score: Cosine similarity of the two item vectors."""

    item_id: str
    title: str
    category: Optional[str]
    score: float


@dataclass(frozen=True)
class SimilarItems:
    """Items by descending similarity."""

    release_id: str
    snapshot_id: str
    item_id: str
    items: List[SimilarItem]


@dataclass(frozen=True)
class HeldData:
    """Rows of one place.

    place: Such as `landing/files/events` or `marts/users`.
    """

    place: str
    purpose: str
    rows: List[Dict[str, Any]]


@dataclass(frozen=True)
class SubjectExport:
    """All that is held of a person."""

    user_id: str
    held: List[HeldData]


@dataclass(frozen=True)
class SubjectRequest:
    """A registered request.

    request_id: As the request was answered.
    state: `requested`, `cleaned` (stored rows are gone) or `complete` (receipt written).
    user_id: Null once an erasure is complete.
    """

    request_id: str
    kind: str
    state: str
    requested_at: datetime
    user_id: Optional[str]


@dataclass(frozen=True)
class Receipt:
    """The signed receipt of an erasure, as it is in the home."""

    receipt: Dict[str, Any]


@dataclass(frozen=True)
class SubjectRequests:
    """SubjectRequests"""

    requests: List[SubjectRequest]


@dataclass(frozen=True)
class UserToPut:
    """A user with all attributes: what is left out is empty afterwards.

    first_seen_at: When the user registered; the time of the first arrival by default.
    """

    user_id: str
    first_seen_at: Optional[datetime] = None
    age_band: Optional[str] = None
    income_band: Optional[str] = None
    household_size: Optional[str] = None
    household_composition: Optional[str] = None
    home_ownership: Optional[str] = None
    marital_status: Optional[str] = None
    kids_count: Optional[str] = None


@dataclass(frozen=True)
class AspectMonth:
    """AspectMonth"""

    month: str
    mentions: int
    sentiment: float


@dataclass(frozen=True)
class Quote:
    """A sentence of a review, or a review, as it was written.

    sentiment: Probability that it is favourable.
    """

    item_id: str
    reviewed_at: Optional[datetime]
    text: str
    sentiment: Optional[float]


@dataclass(frozen=True)
class Aspect:
    """What reviews are about, with how favourable the sentences about it are.

    language: ISO 639-1, und where unknown.
    reviews: Reviews that mention it.
    sentiment: Mean probability that a sentence is favourable.
    trend: Sentiment of the last three months less that before; null with few mentions.
    quotes: A typical favourable and unfavourable sentence.
    """

    aspect: str
    language: str
    reviews: int
    sentiment: float
    trend: Optional[float]
    months: List[AspectMonth]
    quotes: List[Quote]


@dataclass(frozen=True)
class TopicMonth:
    """TopicMonth"""

    month: str
    share: float


@dataclass(frozen=True)
class Topic:
    """share: Mean share of the reviews of its language."""

    language: str
    words: List[str]
    share: float
    months: List[TopicMonth]
    quotes: List[Quote]


@dataclass(frozen=True)
class Voice:
    """Aspects, those of most reviews first; topics of the whole shop only.

    scored_by: What sentiment is from: the text, or, with too few reviews, the rating.
    """

    snapshot_id: str
    level: Literal["item", "category", "shop"]
    item_id: Optional[str]
    category: Optional[str]
    scored_by: Literal["text", "rating"]
    aspects: List[Aspect]
    topics: List[Topic]
