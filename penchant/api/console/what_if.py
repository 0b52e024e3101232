"""What a user would be recommended if they did one thing more. Nothing is written anywhere.

The event is put behind the user's own, as a posted one would be, and all of it is folded in
anew. Both answers are the order without exploration, so that what differs is the event's doing.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, Query
from fastapi.responses import HTMLResponse

from penchant.api.console.live import live_catalogue
from penchant.api.console.render import page
from penchant.api.console.search import SUGGESTED, Asked
from penchant.api.console.session import RECOMMENDATIONS, Sessions, Visitor
from penchant.api.http.event_intake import Id
from penchant.interactions import EVENT_TYPES
from penchant.releases.opened import OpenRelease
from penchant.serving.fresh_events.events import Event, FreshEvents
from penchant.serving.fresh_events.log_tail import LogFile
from penchant.serving.fresh_events.user_states import FreshUserStates
from penchant.serving.live_policy import CHOICE
from penchant.serving.recommending.options import DEFAULT_OPTIONS
from penchant.serving.recommending.recommendation import RecommendedItem
from penchant.serving.recommending.recommender import Recommender
from penchant.serving.recommending.slate_selection import InOrder
from penchant.serving.service import RecommendationService
from penchant.settings import Settings

SHOWN = 10
LOOKED_AT = 100  # to tell from which place an item came


@dataclass(frozen=True)
class OneMore:
    """Events as they are, and one that did not happen."""

    events: FreshEvents
    supposed: Event

    def of(self, user_id: str, last_feedback: str | None) -> list[Event]:
        return [*self.events.of(user_id, last_feedback), self.supposed]


@dataclass(frozen=True)
class Moved:
    """``before``: the place that the item had, None beyond the first hundred."""

    item: RecommendedItem
    place: int
    before: int | None

    @property
    def change(self) -> str:
        if self.before is None:
            return "new"
        steps = self.before - self.place
        return f"up {steps}" if steps > 0 else f"down {-steps}" if steps < 0 else "same place"


@dataclass(frozen=True)
class Change:
    """``after``: the first ten with the event; ``gone``: of the first ten without it, those that
    are not among them. ``folds``: whether the release can fold events in at all."""

    after: tuple[Moved, ...]
    gone: tuple[RecommendedItem, ...]
    folds: bool

    @property
    def none(self) -> bool:
        return not self.gone and all(each.place == each.before for each in self.after)


def add(
    app: FastAPI,
    settings: Settings,
    sessions: Sessions,
    service: RecommendationService,
    events: FreshEvents,
) -> None:
    @app.get("/suppose")
    def suppose(
        user_id: Annotated[Id, Query()],
        visitor: Annotated[Visitor, Depends(sessions.needs(RECOMMENDATIONS))],
        item: Asked = "",
        event_type: Literal["purchase", "cart", "view", "rating"] = "view",
    ) -> HTMLResponse:
        """``item``: its id; words of a title are answered with items to choose from."""
        catalogue = live_catalogue(settings)
        described = catalogue.item(item.strip()) if item.strip() else None
        found = [] if described or not item.strip() else catalogue.items(item, SUGGESTED)
        change = None
        if described:
            event = _supposed(user_id, described.item_id, event_type)
            change = service.read(lambda opened: _change(opened, events, event))
        return page(
            "what_if.html",
            visitor,
            user_id=user_id,
            asked=item.strip(),
            item=described,
            event_type=event_type,
            event_types=EVENT_TYPES,
            found=found,
            change=change,
        )


def _supposed(user_id: str, item_id: str, event_type: str) -> Event:
    now = datetime.now(UTC).replace(tzinfo=None)
    return Event(
        event_id="supposed",
        user_id=user_id,
        session_id="supposed",
        event_type=event_type,
        item_id=item_id,
        quantity=1,
        event_at=now,
        received_at=now,
        file=LogFile(None),
    )


def _change(opened: OpenRelease, events: FreshEvents, event: Event) -> Change:
    def first(users: FreshUserStates, k: int) -> tuple[RecommendedItem, ...]:
        recommender = Recommender(InOrder("unexplored", CHOICE), users)
        return recommender.recommend(opened, event.user_id, k, DEFAULT_OPTIONS).items

    as_is = FreshUserStates(events)
    before, after = first(as_is, SHOWN), first(FreshUserStates(OneMore(events, event)), SHOWN)
    places = _places(first(as_is, LOOKED_AT)) | _places(before)
    kept = {item.item_id for item in after}
    return Change(
        tuple(
            Moved(item, place, places.get(item.item_id))
            for place, item in enumerate(after, start=1)
        ),
        tuple(item for item in before if item.item_id not in kept),
        opened.fold_in is not None,
    )


def _places(items: tuple[RecommendedItem, ...]) -> dict[str, int]:
    return {item.item_id: place for place, item in enumerate(items, start=1)}
