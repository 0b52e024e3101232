"""``POST /v1/recommendations``: items for many users, with events and context of the request."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from penchant.api.auth.access import (
    RequireScope,
    charge_work,
    require_scope,
    work_of,
    work_of_exploration,
)
from penchant.api.auth.audit_context import record_entities
from penchant.api.auth.tokens import HISTORY, REASONS, Token
from penchant.api.http.services import AppServices, Services
from penchant.api.schemas.personal import (
    Context,
    RecommendRequest,
    RecommendResponse,
    SelectedItem,
    SessionEvent,
    UserRecommendations,
)
from penchant.api.server.connected import require_connected
from penchant.serving.fresh_events.session import REQUEST, WithSession, session_event
from penchant.serving.fresh_events.user_states import FreshUserStates
from penchant.serving.recommending.basket import ANONYMOUS
from penchant.serving.recommending.impressions import Shown, ShownContext, log_slates
from penchant.serving.recommending.options import RecommendOptions
from penchant.serving.recommending.recommendation import Recommendation
from penchant.serving.recommending.requests import Page, UserRequest

router = APIRouter(tags=["recommendations"])


@router.post(
    "/v1/recommendations",
    summary="Recommend items to users",
    response_model_exclude_unset=True,
)
def recommend(
    request: Request,
    body: RecommendRequest,
    token: Annotated[Token, Depends(RequireScope("recommendations:read"))],
    services: AppServices,
) -> RecommendResponse:
    """Personal recommendations of one release for up to 50 users, who may be anonymous. Reasons
    require the scope `reasons:read` too, and `exclude_bought` requires `history:read`."""
    record_entities(request, len(body.users))
    if body.reasons:
        require_scope(request, token, REASONS)
    if body.exclude_bought:
        require_scope(request, token, HISTORY)
    charge_work(request, len(body.users) * work_of(body.k, body.reasons, body.diversity))
    now = datetime.now(UTC).replace(tzinfo=None)
    options = RecommendOptions(
        exclude_bought=body.exclude_bought,
        exclude=tuple(body.exclude),
        category=body.category,
        price_min=body.price_min,
        price_max=body.price_max,
        diversity=body.diversity,
        reasons=body.reasons,
        page_item=body.context.item_id,
    )
    users = [
        UserRequest(
            user.user_id or ANONYMOUS,
            states_with(services, user.user_id, user.events, now),
            user.cursor,
            _seen(services, user.user_id, body, now),
        )
        for user in body.users
    ]
    pages = services.recommendations.recommend_to(users, body.k, options)
    answers = [page.answer for page in pages]
    charge_work(request, work_of_exploration(sum(answer.explored for answer in answers)))
    require_connected(request)
    shown = iter(
        log_slates(
            services.feedback_log,
            [answer for answer in answers if answer.user_id != ANONYMOUS],
            context_of(body.context),
            now,
        )
    )
    if body.write_back_seconds is not None:
        delay = timedelta(seconds=body.write_back_seconds)
        services.seen_items.write_back(_shown_items(answers), now, delay)
    return RecommendResponse(
        release_id=answers[0].release_id,
        snapshot_id=answers[0].snapshot_id,
        results=[
            _result(page, next(shown) if page.answer.user_id != ANONYMOUS else None, body.fields)
            for page in pages
        ],
    )


def _seen(
    services: Services, user_id: str | None, body: RecommendRequest, now: datetime
) -> tuple[str, ...]:
    """Items that count as seen, if the request opts in."""
    if user_id is None or body.write_back_seconds is None:
        return ()
    return tuple(services.seen_items.of(user_id, now))


def _shown_items(answers: Sequence[Recommendation]) -> Iterator[tuple[str, str]]:
    """Users and items; none of anonymous visitors."""
    for answer in answers:
        if answer.user_id != ANONYMOUS:
            yield from ((answer.user_id, item.item_id) for item in answer.items)


def states_with(
    services: Services, user_id: str | None, events: Sequence[SessionEvent], now: datetime
) -> FreshUserStates:
    """User states that include the events of the request. ``now``: naive UTC."""
    added = [
        session_event(
            user_id or ANONYMOUS, each.item_id, each.event_type, now, each.session_id or REQUEST
        )
        for each in events
    ]
    source = WithSession(services.user_events, added)
    return FreshUserStates(source, services.metrics.count_fold_in)


def context_of(context: Context) -> ShownContext:
    """What is logged of a request's context."""
    details = {"device": context.device, "locale": context.locale, "page_item": context.item_id}
    return ShownContext(
        context.placement, {name: value for name, value in details.items() if value is not None}
    )


def _result(page: Page, shown: Shown | None, fields: Sequence[str]) -> UserRecommendations:
    answer = page.answer
    ids: Sequence[str | None] = shown.impression_ids if shown else [None] * len(answer.items)
    items = [
        {**item.as_dict(), "impression_id": impression_id}
        for item, impression_id in zip(answer.items, ids, strict=True)
    ]
    return UserRecommendations(
        user_id=answer.user_id or None,
        origin=answer.origin,
        ranked_by=answer.ranked_by,
        fallback=answer.fallback,
        policy=answer.policy,
        slate_id=shown.slate_id if shown else None,
        items=[SelectedItem.model_validate(_selected(item, fields)) for item in items],
        next_cursor=page.next_cursor,
        reasons_by=answer.reasons_by,
        reasons_withheld=answer.reasons_withheld,
    )


def _selected(item: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    return {
        name: value for name, value in item.items() if not fields or name in ("item_id", *fields)
    }
