"""The asynchronous client.

Generated from the OpenAPI description by `make client`.
"""

from __future__ import annotations

from types import TracebackType
from typing import Literal, Mapping, Optional, Sequence

import httpx

from penchant_client.models import (
    Activity,
    Ads,
    Answers,
    Audience,
    BasketCompletion,
    CampaignPlans,
    CampaignUsers,
    Competitors,
    Context,
    DemandForecast,
    Event,
    EventsDeleted,
    EventsReceived,
    FadingUsers,
    Features,
    ItemToPut,
    Listing,
    OwnEvents,
    PastEvent,
    Portrait,
    Ranking,
    RankItem,
    Receipt,
    Recommendations,
    RecommendResponse,
    RecommendUser,
    RestockList,
    Retention,
    SearchAnswer,
    SessionEvent,
    SimilarItems,
    Stored,
    SubjectExport,
    SubjectRequest,
    SubjectRequests,
    UserSegment,
    UserToPut,
    Voice,
)
from penchant_client.transport import AsyncTransport, Call


class AsyncClient:
    """A method for each route. They raise ApiError for an error response and Unreachable if the
    server does not answer.
    """

    def __init__(
        self,
        url: str,
        token: Optional[str] = None,
        timeout_seconds: float = 5.0,
        transport: Optional[httpx.AsyncBaseTransport] = None,
    ) -> None:
        self._transport = AsyncTransport(url, token, timeout_seconds, transport)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._transport.close()

    async def activity(self, user_id: str) -> Activity:
        """Event-level features of a user, up to date with the last posted event."""
        return await self._transport.send(
            Call("GET", "/v1/activity", Activity, repeatable=True, query={"user_id": user_id})
        )

    async def ads(self, user_id: str, *, k: int = 1, placement: str = "ads") -> Ads:
        """Ads of the day's plan, paced over the day. The response is counted and logged as shown.

        k: Maximum number of ads.
        placement: Where the ads are shown.
        """
        return await self._transport.send(
            Call(
                "GET",
                "/v1/ads",
                Ads,
                repeatable=False,
                query={"user_id": user_id, "k": k, "placement": placement},
            )
        )

    async def answers(self, q: str, *, item_id: Optional[str] = None, k: int = 5) -> Answers:
        """Sentences of reviews and descriptions, and the shop's answers to earlier questions, that
        have
        the question's words, as they were written.

        q: A question in words.
        item_id: Only passages about this item.
        k: Maximum number of passages.
        """
        return await self._transport.send(
            Call(
                "GET",
                "/v1/answers",
                Answers,
                repeatable=True,
                query={"q": q, "item_id": item_id, "k": k},
            )
        )

    async def audience(self, item_id: str, *, k: int = 100) -> Audience:
        """The users most likely to buy an item that nobody, or hardly anybody, has bought yet.

        k: Maximum number of users.
        """
        return await self._transport.send(
            Call(
                "GET", "/v1/audience", Audience, repeatable=True, query={"item_id": item_id, "k": k}
            )
        )

    async def basket(
        self,
        item_id: Sequence[str],
        *,
        k: int = 10,
        user_id: Optional[str] = None,
        placement: str = "basket",
    ) -> BasketCompletion:
        """Items nearest to the mean vector of the basket's items.

        item_id: Item in the basket. Repeatable.
        k: Maximum number of items.
        user_id: Owner of the basket. If set, the response is logged as shown.
        placement: Where the items are shown.
        """
        return await self._transport.send(
            Call(
                "GET",
                "/v1/basket",
                BasketCompletion,
                repeatable=False,
                query={"item_id": item_id, "k": k, "user_id": user_id, "placement": placement},
            )
        )

    async def campaign_users(self, campaign: str, *, k: int = 100) -> CampaignUsers:
        """The offers of a planned campaign by user, without users who are held out.

        k: Maximum number of offers.
        """
        return await self._transport.send(
            Call(
                "GET",
                "/v1/campaign_users",
                CampaignUsers,
                repeatable=True,
                query={"campaign": campaign, "k": k},
            )
        )

    async def campaigns(self) -> CampaignPlans:
        """What each planned campaign is expected to add and to cost."""
        return await self._transport.send(
            Call("GET", "/v1/campaigns", CampaignPlans, repeatable=True)
        )

    async def competitors(self, *, competitor: Optional[str] = None, k: int = 20) -> Competitors:
        """Matched items, price index by category, what they have and we lack, sentiment by aspect.

        competitor: Name of the competitor, the first one if left out.
        k: Maximum number of each list.
        """
        return await self._transport.send(
            Call(
                "GET",
                "/v1/competitors",
                Competitors,
                repeatable=True,
                query={"competitor": competitor, "k": k},
            )
        )

    async def demand(
        self, *, item_id: Optional[str] = None, category: Optional[str] = None
    ) -> DemandForecast:
        """Pieces of the next four weeks by week and day: of an item, a category or the shop.

        category: First level of a category path.
        """
        return await self._transport.send(
            Call(
                "GET",
                "/v1/demand",
                DemandForecast,
                repeatable=True,
                query={"item_id": item_id, "category": category},
            )
        )

    async def send_events(self, events: Sequence[Event]) -> EventsReceived:
        """Store events. Idempotent: an event that is sent again counts once, by its event_id, which
          is
        the client's and the user's own. 409 if an event_id was used for another event.
        """
        return await self._transport.send(
            Call("POST", "/v1/events", EventsReceived, repeatable=False, body={"events": events})
        )

    async def list_events(self, user_id: str, *, k: int = 100) -> OwnEvents:
        """Events of a user that this client sent, newest first, up to the last acknowledged one.

        k: Maximum number of events.
        """
        return await self._transport.send(
            Call(
                "GET", "/v1/events", OwnEvents, repeatable=True, query={"user_id": user_id, "k": k}
            )
        )

    async def delete_events(self, user_id: str, event_id: Sequence[str]) -> EventsDeleted:
        """Delete events that this client sent: at once from what answers fold in, and with the next
        build from the marts. All of them or, where one is unknown, none.

        event_id: Event to delete. Repeatable.
        """
        return await self._transport.send(
            Call(
                "DELETE",
                "/v1/events",
                EventsDeleted,
                repeatable=True,
                query={"user_id": user_id, "event_id": event_id},
            )
        )

    async def import_events(self, events: Sequence[PastEvent]) -> EventsReceived:
        """Store events of any age for the next snapshot; answers don't fold them in before.
        Idempotent
        by event_id.
        """
        return await self._transport.send(
            Call(
                "POST",
                "/v1/events/import",
                EventsReceived,
                repeatable=True,
                body={"events": events},
            )
        )

    async def fading(self, *, k: int = 100) -> FadingUsers:
        """Users who are silent for longer than the pace of their own orders explains.

        k: Maximum number of users.
        """
        return await self._transport.send(
            Call("GET", "/v1/fading", FadingUsers, repeatable=True, query={"k": k})
        )

    async def features(
        self,
        entities: Sequence[Mapping[str, str]],
        *,
        service: Optional[str] = None,
        features: Sequence[str] = (),
    ) -> Features:
        """Online features of up to 500 entities, all from one snapshot.

        entities: Entity keys of each row.
        service: Name of a feature service.
        features: Feature references, as view:feature.
        """
        return await self._transport.send(
            Call(
                "POST",
                "/v1/features",
                Features,
                repeatable=True,
                body={"entities": entities, "service": service, "features": features},
            )
        )

    async def put_items(self, items: Sequence[ItemToPut]) -> Stored:
        """Add or replace items. A new one is recommended at once, by its title and category; a
        changed
        one has its new title, category, brand and price in the next answer.
        """
        return await self._transport.send(
            Call("PUT", "/v1/items", Stored, repeatable=True, body={"items": items})
        )

    async def latest(self, *, k: int = 10, category: Optional[str] = None) -> Listing:
        """Items by the time they were first seen, newest first; the score is that Unix time.

        k: Maximum number of items.
        category: Category path. Only items within it are returned.
        """
        return await self._transport.send(
            Call(
                "GET", "/v1/latest", Listing, repeatable=True, query={"k": k, "category": category}
            )
        )

    async def popular(self, *, k: int = 10, category: Optional[str] = None) -> Listing:
        """Items by popularity, as unknown users get them.

        k: Maximum number of items.
        category: Category path. Only items within it are returned.
        """
        return await self._transport.send(
            Call(
                "GET", "/v1/popular", Listing, repeatable=True, query={"k": k, "category": category}
            )
        )

    async def portrait(self, user_id: str) -> Portrait:
        """Interests with intervals, segment and descriptive features of a known user."""
        return await self._transport.send(
            Call("GET", "/v1/portrait", Portrait, repeatable=True, query={"user_id": user_id})
        )

    async def rank(
        self,
        items: Sequence[RankItem],
        *,
        user_id: Optional[str] = None,
        events: Sequence[SessionEvent] = (),
        context: Optional[Context] = None,
        weights: Optional[Mapping[str, float]] = None,
        k: int = 10,
        reasons: bool = False,
    ) -> Ranking:
        """The candidates by relevance to the user and by weighted fields, with each term's share.

        user_id: If set, the response is logged as shown.
        events: Events of the session, oldest first.
        weights: Of each field: 1 counts as much as relevance; below 0, less is better.
        k: Maximum number of items.
        reasons: Explain each item by an item of the user's history.
        """
        return await self._transport.send(
            Call(
                "POST",
                "/v1/rank",
                Ranking,
                repeatable=False,
                body={
                    "items": items,
                    "user_id": user_id,
                    "events": events,
                    "context": context,
                    "weights": weights,
                    "k": k,
                    "reasons": reasons,
                },
            )
        )

    async def recommend(
        self,
        users: Sequence[RecommendUser],
        *,
        k: int = 10,
        context: Optional[Context] = None,
        exclude_bought: bool = False,
        exclude: Sequence[str] = (),
        category: Optional[str] = None,
        price_min: Optional[float] = None,
        price_max: Optional[float] = None,
        diversity: float = 0.0,
        reasons: bool = False,
        write_back_seconds: Optional[int] = None,
        fields: Sequence[
            Literal[
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
        ] = (),
    ) -> RecommendResponse:
        """Personal recommendations of one release for up to 50 users, who may be anonymous. Reasons
        require the scope `reasons:read` too, and `exclude_bought` requires `history:read`.

        k: Maximum number of items.
        exclude_bought: Exclude items that the user ever bought.
        exclude: Item ids to exclude.
        category: Category path.
        price_min: Lowest price, inclusive.
        price_max: Highest price, inclusive.
        diversity: Weight of diversity in re-ranking.
        reasons: Explain each item by an item of the user's history.
        write_back_seconds: If set, the returned items count as seen after so many seconds, and
          items that already do are left out, for a week.
        fields: Fields of each item to return; empty for all. item_id is always there.
        """
        return await self._transport.send(
            Call(
                "POST",
                "/v1/recommendations",
                RecommendResponse,
                repeatable=False,
                body={
                    "users": users,
                    "k": k,
                    "context": context,
                    "exclude_bought": exclude_bought,
                    "exclude": exclude,
                    "category": category,
                    "price_min": price_min,
                    "price_max": price_max,
                    "diversity": diversity,
                    "reasons": reasons,
                    "write_back_seconds": write_back_seconds,
                    "fields": fields,
                },
            )
        )

    async def recommendations(
        self,
        user_id: str,
        *,
        k: int = 10,
        placement: str = "home",
        exclude_bought: bool = False,
        exclude: Sequence[str] = (),
        category: Optional[str] = None,
        price_min: Optional[float] = None,
        price_max: Optional[float] = None,
        diversity: float = 0.0,
        reasons: bool = False,
    ) -> Recommendations:
        """Personal recommendations; popular items for an unknown user. Reasons name items of the
        user's
        history: they require the scope `reasons:read` too, and `exclude_bought` requires
        `history:read`.

        k: Maximum number of items.
        placement: Where the items are shown, such as a page.
        exclude_bought: Exclude items that the user ever bought.
        exclude: Item ids to exclude, such as items that are out of stock. Repeatable.
        category: Category path. Only items within it are returned.
        price_min: Lowest price, inclusive.
        price_max: Highest price, inclusive.
        diversity: Weight of diversity in re-ranking (MMR): 0 ranks by score alone.
        reasons: Explain each item by an item of the user's history.
        """
        return await self._transport.send(
            Call(
                "GET",
                "/v1/recommendations",
                Recommendations,
                repeatable=False,
                query={
                    "user_id": user_id,
                    "k": k,
                    "placement": placement,
                    "exclude_bought": exclude_bought,
                    "exclude": exclude,
                    "category": category,
                    "price_min": price_min,
                    "price_max": price_max,
                    "diversity": diversity,
                    "reasons": reasons,
                },
            )
        )

    async def restock(
        self, *, lead_days: int = 7, service_level: float = 0.95, k: int = 100
    ) -> RestockList:
        """Stock that covers the demand until the next delivery arrives, by item.

        lead_days: Days until a delivery arrives.
        service_level: Share of lead times without a stock-out.
        k: Maximum number of items.
        """
        return await self._transport.send(
            Call(
                "GET",
                "/v1/restock",
                RestockList,
                repeatable=True,
                query={"lead_days": lead_days, "service_level": service_level, "k": k},
            )
        )

    async def retention(self, user_id: str) -> Retention:
        """Return within 28 days, expected spending of 90 days and pace of a user."""
        return await self._transport.send(
            Call("GET", "/v1/retention", Retention, repeatable=True, query={"user_id": user_id})
        )

    async def search(self, q: str, *, user_id: Optional[str] = None, k: int = 10) -> SearchAnswer:
        """Items by their texts, re-ranked by what the user is interested in and has bought.

        q: Words. The last may be the beginning of one, unless a space follows.
        user_id: Re-ranks by this user's interests.
        k: Maximum number of items.
        """
        return await self._transport.send(
            Call(
                "GET",
                "/v1/search",
                SearchAnswer,
                repeatable=True,
                query={"q": q, "user_id": user_id, "k": k},
            )
        )

    async def segment(self, user_id: str, *, k: int = 10) -> UserSegment:
        """The user's segment: its size, its interests and items for it; never its members.

        k: Maximum number of items.
        """
        return await self._transport.send(
            Call(
                "GET",
                "/v1/segment",
                UserSegment,
                repeatable=True,
                query={"user_id": user_id, "k": k},
            )
        )

    async def similar(
        self, item_id: str, *, k: int = 10, category: Optional[str] = None
    ) -> SimilarItems:
        """Nearest items by cosine similarity of item vectors.

        k: Maximum number of items.
        category: Category path of the similar items.
        """
        return await self._transport.send(
            Call(
                "GET",
                "/v1/similar",
                SimilarItems,
                repeatable=True,
                query={"item_id": item_id, "k": k, "category": category},
            )
        )

    async def export_subject(self, user_id: str) -> SubjectExport:
        """Rows of every place, with what they are used for."""
        return await self._transport.send(
            Call(
                "GET",
                "/v1/subjects/export",
                SubjectExport,
                repeatable=True,
                query={"user_id": user_id},
            )
        )

    async def withdraw_objection(self, user_id: str) -> SubjectRequest:
        """The next snapshot includes the person again."""
        return await self._transport.send(
            Call(
                "DELETE",
                "/v1/subjects/objection",
                SubjectRequest,
                repeatable=False,
                query={"user_id": user_id},
            )
        )

    async def erasure_receipt(self, request_id: str) -> Receipt:
        """What was removed where, what was verified; signed.

        request_id: As the request was answered.
        """
        return await self._transport.send(
            Call(
                "GET",
                "/v1/subjects/receipt",
                Receipt,
                repeatable=True,
                query={"request_id": request_id},
            )
        )

    async def subject_requests(self) -> SubjectRequests:
        """All requests, oldest first."""
        return await self._transport.send(
            Call("GET", "/v1/subjects/requests", SubjectRequests, repeatable=True)
        )

    async def request_for_subject(
        self, user_id: str, kind: Literal["erase", "object"]
    ) -> SubjectRequest:
        """Register an erasure or an objection, in force at once. The DAG `process_subject_requests`
        removes the data. Idempotent.

        kind: `erase`: remove everything and never store it again. `object`: no profile.
        """
        return await self._transport.send(
            Call(
                "POST",
                "/v1/subjects/requests",
                SubjectRequest,
                repeatable=True,
                body={"user_id": user_id, "kind": kind},
            )
        )

    async def trending(self, *, k: int = 10, category: Optional[str] = None) -> Listing:
        """Items that more users acted on in the last week of the data than in the weeks before.

        k: Maximum number of items.
        category: Category path. Only items within it are returned.
        """
        return await self._transport.send(
            Call(
                "GET",
                "/v1/trending",
                Listing,
                repeatable=True,
                query={"k": k, "category": category},
            )
        )

    async def put_users(self, users: Sequence[UserToPut]) -> Stored:
        """Add or replace users. Their attributes are in the next snapshot."""
        return await self._transport.send(
            Call("PUT", "/v1/users", Stored, repeatable=True, body={"users": users})
        )

    async def voice(
        self, *, item_id: Optional[str] = None, category: Optional[str] = None, k: int = 20
    ) -> Voice:
        """Aspects of reviews with their sentiment and trend: of an item, a category or the shop.

        category: First level of a category path.
        k: Maximum number of aspects.
        """
        return await self._transport.send(
            Call(
                "GET",
                "/v1/voice",
                Voice,
                repeatable=True,
                query={"item_id": item_id, "category": category, "k": k},
            )
        )
