"""A user's page: portrait, recommendations and events."""

from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from penchant.api.auth.feature_access import require_readable
from penchant.api.auth.tokens import FEATURES, HISTORY, REASONS
from penchant.api.console.filters import Filters
from penchant.api.console.live_catalogue import live_catalogue
from penchant.api.console.render import page, safe_svg
from penchant.api.console.session import (
    READ_SCOPES,
    RECOMMENDATIONS,
    USER_SCOPE,
    RequireVisitor,
    Visitor,
)
from penchant.api.http.problems import HTTPProblem
from penchant.api.http.services import AppServices, Services
from penchant.api_schemas import Id
from penchant.errors import UsageError
from penchant.interactions import EVENT_TYPES
from penchant.releases.release import Release
from penchant.serving.fresh_events.events import Event
from penchant.serving.portrait import Portrait
from penchant.serving.portrait_plot import interests_plot
from penchant.serving.recommending.recommendation import Recommendation

MAX_RECOMMENDED = 10
MAX_EVENTS = 20
router = APIRouter()


@dataclass(frozen=True)
class PortraitSection:
    """A portrait, or why it is not shown: access denied, or the user is unknown."""

    portrait: Portrait | None = None
    denied: str | None = None
    unknown: bool = False


@dataclass(frozen=True)
class RecommendationsSection:
    """Recommendations, or what is wrong with the filters; neither if access is denied."""

    answer: Recommendation | None = None
    error: UsageError | None = None


@router.get("/users")
def users(
    request: Request,
    user_id: Annotated[Id, Query()],
    filters: Annotated[Filters, Depends()],
    visitor: Annotated[Visitor, Depends(RequireVisitor(READ_SCOPES))],
    services: AppServices,
) -> HTMLResponse:
    """404 for an unknown user, with the popular items that one is recommended."""
    catalogue = live_catalogue(services.settings)
    known = _portrait(request, visitor, services, user_id)
    recommended = _recommendations(visitor, services, user_id, filters)
    portrait, sees_events = known.portrait, visitor.allows(USER_SCOPE)
    return page(
        request,
        "users.html",
        visitor,
        HTTPStatus.NOT_FOUND if known.unknown else HTTPStatus.OK,
        user_id=user_id,
        known=known,
        interests=safe_svg(interests_plot(portrait.interests)) if portrait else None,
        sees_recommended=visitor.allows(RECOMMENDATIONS),
        answer=recommended.answer,
        error=recommended.error,
        filters=filters,
        categories=_categories(known, recommended.answer),
        text="",
        event_type="view",
        event_types=EVENT_TYPES,
        sees_events=sees_events,
        fresh=_fresh_events(services, user_id) if sees_events else [],
        events=catalogue.events(user_id, MAX_EVENTS) if sees_events else [],
        scope=USER_SCOPE,
        release_id=services.settings.live_release.current(),
        snapshot_id=catalogue.snapshot.id,
    )


def _recommendations(
    visitor: Visitor, services: Services, user_id: str, filters: Filters
) -> RecommendationsSection:
    if not visitor.allows(RECOMMENDATIONS):
        return RecommendationsSection()
    recommend = services.recommendations.recommend
    try:
        options = filters.options(visitor.allows(REASONS))
        if options.exclude_bought and not visitor.allows(HISTORY):
            raise UsageError(
                f"your token lacks the scope {HISTORY}",
                "show bought items too, or use a token with it",
            )
        return RecommendationsSection(recommend(user_id, MAX_RECOMMENDED, options))
    except UsageError as error:
        return RecommendationsSection(error=error)


def _fresh_events(services: Services, user_id: str) -> list[Event]:
    """The user's events after the live release's snapshot, newest first."""
    live = services.settings.live_release.current()
    assert live is not None  # live_catalogue raised otherwise
    last_feedback = Release.open(services.settings, live).last_feedback
    events = services.user_events.of(user_id, last_feedback)
    return sorted(events, key=lambda event: event.event_at, reverse=True)[:MAX_EVENTS]


def _categories(known: PortraitSection, answer: Recommendation | None) -> list[str]:
    """Suggestions for the category filter: those of the interests and recommended items."""
    interests = known.portrait.interests if known.portrait else ()
    categories = {each.category for each in interests}
    categories |= {item.category for item in answer.items if item.category} if answer else set()
    return sorted(categories)


def _portrait(
    request: Request, visitor: Visitor, services: Services, user_id: str
) -> PortraitSection:
    if not visitor.allows(FEATURES):
        return PortraitSection(denied=f"your token lacks the scope {FEATURES}")
    require_allowed = partial(require_readable, request, visitor.token)
    try:
        return PortraitSection(services.recommendations.portrait(user_id, require_allowed))
    except HTTPProblem as error:
        return PortraitSection(denied=error.detail)
    except UsageError:
        return PortraitSection(unknown=True)
