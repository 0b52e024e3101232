"""How a user's recommendations would change after one more event. Nothing is written.

The hypothetical event is appended to the user's own, as a posted one would be, and all are folded
in. Both lists are ranked without exploration, so that they differ by the event alone.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from penchant.api.console.live_catalogue import live_catalogue
from penchant.api.console.render import page
from penchant.api.console.search import MAX_SUGGESTIONS, SearchText
from penchant.api.console.session import RECOMMENDATIONS, RequireVisitor, Visitor
from penchant.api.http.services import AppServices
from penchant.api_schemas import Id
from penchant.interactions import EVENT_TYPES
from penchant.releases.opened import OpenRelease
from penchant.serving.fresh_events.events import Event
from penchant.serving.fresh_events.session import WithSession, session_event
from penchant.serving.fresh_events.user_states import EventSource, FreshUserStates
from penchant.serving.live_policy import CANDIDATES_PER_POSITION
from penchant.serving.recommending.options import DEFAULT_OPTIONS
from penchant.serving.recommending.ranking_stage import RankingStage
from penchant.serving.recommending.recommendation import RecommendedItem
from penchant.serving.recommending.recommender import Recommender
from penchant.serving.recommending.slate_selection import TopK

SHOWN = 10
COMPARED = 100  # items of the list without the event, to find previous ranks
router = APIRouter()


@dataclass(frozen=True)
class RankedItem:
    """``previous_rank``: None beyond the first 100."""

    item: RecommendedItem
    rank: int
    previous_rank: int | None

    @property
    def change(self) -> str:
        if self.previous_rank is None:
            return "new"
        steps = self.previous_rank - self.rank
        return f"up {steps}" if steps > 0 else f"down {-steps}" if steps < 0 else "unchanged"


@dataclass(frozen=True)
class Comparison:
    """``after``: the first ten with the event; ``removed``: those of the first ten without it that
    are missing. ``reacts``: whether the release has an encoder to fold events in, or a ranking
    model whose features they change."""

    after: tuple[RankedItem, ...]
    removed: tuple[RecommendedItem, ...]
    reacts: bool

    @property
    def is_unchanged(self) -> bool:
        return not self.removed and all(each.rank == each.previous_rank for each in self.after)


@router.get("/what-if")
def what_if(
    request: Request,
    user_id: Annotated[Id, Query()],
    visitor: Annotated[Visitor, Depends(RequireVisitor((RECOMMENDATIONS,)))],
    services: AppServices,
    item: SearchText = "",
    event_type: Literal["purchase", "cart", "view", "rating"] = "view",
) -> HTMLResponse:
    """``item``: an id, or words of a title, for which matching items are listed."""
    catalogue, text = live_catalogue(services.settings), item.strip()
    described = catalogue.item(text) if text else None
    comparison = None
    if described:
        now = datetime.now(UTC).replace(tzinfo=None)
        event = session_event(user_id, described.item_id, event_type, now)
        comparison = services.recommendations.read(
            lambda opened: _compare(
                opened, services.user_events, event, services.recommendations.ranking
            )
        )
    return page(
        request,
        "what_if.html",
        visitor,
        user_id=user_id,
        text=text,
        item=described,
        event_type=event_type,
        event_types=EVENT_TYPES,
        matches=catalogue.items(text, MAX_SUGGESTIONS) if text and not described else [],
        comparison=comparison,
    )


def _compare(
    opened: OpenRelease, events: EventSource, event: Event, ranking: RankingStage
) -> Comparison:
    def top(users: FreshUserStates, k: int) -> tuple[RecommendedItem, ...]:
        selector = TopK("unexplored", CANDIDATES_PER_POSITION)
        recommender = Recommender(selector, users, ranking=ranking)
        return recommender.recommend(opened, event.user_id, k, DEFAULT_OPTIONS).items

    without = FreshUserStates(events)
    before = top(without, SHOWN)
    after = top(FreshUserStates(WithSession(events, [event])), SHOWN)
    previous_ranks = _ranks(top(without, COMPARED)) | _ranks(before)
    kept = {item.item_id for item in after}
    return Comparison(
        tuple(
            RankedItem(item, rank, previous_ranks.get(item.item_id))
            for rank, item in enumerate(after, start=1)
        ),
        tuple(item for item in before if item.item_id not in kept),
        opened.fold_in is not None or opened.release.manifest.ranking_model is not None,
    )


def _ranks(items: tuple[RecommendedItem, ...]) -> dict[str, int]:
    return {item.item_id: rank for rank, item in enumerate(items, start=1)}
