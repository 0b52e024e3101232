"""A user's page: portrait, recommendations, what they did."""

from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import HTMLResponse

from penchant.api.auth.feature_access import require_readable
from penchant.api.auth.tokens import FEATURES
from penchant.api.console.filters import Filters
from penchant.api.console.live import live_catalogue
from penchant.api.console.render import drawn, page
from penchant.api.console.session import READS, RECOMMENDATIONS, USERS, Sessions, Visitor
from penchant.api.http.event_intake import Id
from penchant.api.http.problems import Refused
from penchant.errors import UsageError
from penchant.interactions import EVENT_TYPES
from penchant.releases.release import Release
from penchant.serving.fresh_events.events import Event, FreshEvents
from penchant.serving.portrait import Portrait
from penchant.serving.portrait_plot import interests_plot
from penchant.serving.recommending.recommendation import Recommendation
from penchant.serving.service import RecommendationService
from penchant.settings import Settings

RECOMMENDED = 10
EVENTS = 20


@dataclass(frozen=True)
class Known:
    """A user's portrait, or why it isn't shown: the visitor may not, or nobody has that id."""

    portrait: Portrait | None = None
    refused: str | None = None
    unknown: bool = False


@dataclass(frozen=True)
class Answered:
    """What is recommended, or why the filters can't be granted; neither for who may not see it."""

    answer: Recommendation | None = None
    wrong: UsageError | None = None


def add(
    app: FastAPI,
    settings: Settings,
    sessions: Sessions,
    service: RecommendationService,
    events: FreshEvents,
) -> None:
    @app.get("/user")
    def user(
        request: Request,
        user_id: Annotated[Id, Query()],
        filters: Annotated[Filters, Depends()],
        visitor: Annotated[Visitor, Depends(sessions.needs(*READS))],
    ) -> HTMLResponse:
        """404 for one who is not known, with what a stranger is recommended."""
        catalogue = live_catalogue(settings)
        known = _known(request, visitor, service, user_id)
        answered = _answered(visitor, service, user_id, filters)
        sees_events = visitor.may(USERS)
        return page(
            "user.html",
            visitor,
            HTTPStatus.NOT_FOUND if known.unknown else HTTPStatus.OK,
            user_id=user_id,
            known=known,
            interests=drawn(interests_plot(known.portrait.interests)) if known.portrait else None,
            sees_recommended=visitor.may(RECOMMENDATIONS),
            answer=answered.answer,
            wrong=answered.wrong,
            filters=filters,
            categories=_categories(known, answered.answer),
            asked="",
            event_type="view",
            event_types=EVENT_TYPES,
            sees_events=sees_events,
            fresh=_fresh(settings, events, user_id) if sees_events else [],
            events=catalogue.events(user_id, EVENTS) if sees_events else [],
            scope=USERS,
            release_id=settings.live_release.current(),
            snapshot_id=catalogue.snapshot.id,
        )


def _answered(
    visitor: Visitor, service: RecommendationService, user_id: str, filters: Filters
) -> Answered:
    if not visitor.may(RECOMMENDATIONS):
        return Answered()
    try:
        return Answered(service.recommend(user_id, RECOMMENDED, filters.options()))
    except UsageError as error:
        return Answered(wrong=error)


def _fresh(settings: Settings, events: FreshEvents, user_id: str) -> list[Event]:
    """What they did since the data of the live release ends, the latest first."""
    live = settings.live_release.current()
    assert live is not None  # the page was refused before
    since = Release.open(settings, live).last_feedback
    return sorted(events.of(user_id, since), key=lambda event: event.event_at, reverse=True)[
        :EVENTS
    ]


def _categories(known: Known, answer: Recommendation | None) -> list[str]:
    """To filter by: those of the user's interests and of what is recommended."""
    interests = known.portrait.interests if known.portrait else ()
    named = {each.category for each in interests}
    named |= {item.category for item in answer.items if item.category} if answer else set()
    return sorted(named)


def _known(
    request: Request, visitor: Visitor, service: RecommendationService, user_id: str
) -> Known:
    """As much as the visitor may read, by the classes of the portrait's features."""
    if not visitor.may(FEATURES):
        return Known(refused=f"your token lacks the scope {FEATURES}")
    may_read = partial(require_readable, request, visitor.token)
    try:
        return Known(service.portrait(user_id, may_read))
    except Refused as error:
        return Known(refused=error.detail)
    except UsageError:
        return Known(unknown=True)
