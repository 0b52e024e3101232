"""``GET /v1/search``: items by text."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from penchant.api.auth.access import RequireScope
from penchant.api.http.services import AppServices
from penchant.api.schemas.insights import SearchAnswer, SearchItem, SearchQuery
from penchant.errors import UnknownId
from penchant.insights.search.published import published_search
from penchant.insights.search.ranking import NOBODY, Searcher
from penchant.releases.release import BOUGHT_ITEMS
from penchant.serving.service import RecommendationService

router = APIRouter(tags=["insights"])


@router.get(
    "/v1/search",
    summary="Search items",
    dependencies=[Depends(RequireScope("recommendations:read"))],
)
def search(query: Annotated[SearchQuery, Query()], services: AppServices) -> SearchAnswer:
    """Items by their texts, re-ranked by what the user is interested in and has bought.

    An unknown word is corrected to the nearest known one. An unknown user, and one who is not
    profiled, gets the same as nobody.
    """
    index = published_search(services.settings)
    searcher = _searcher(services.recommendations, query.user_id) if query.user_id else NOBODY
    found = index.search(query.q, query.k, searcher)
    return SearchAnswer(
        snapshot_id=found.snapshot_id,
        matched=found.matched,
        corrected=found.corrected,
        personalized=found.personalized,
        items=[SearchItem(**asdict(item)) for item in found.items],
    )


def _searcher(service: RecommendationService, user_id: str) -> Searcher:
    """The user's interests and purchases, as the live release has them."""
    if not service.profiles(user_id):
        return NOBODY
    try:
        interests = service.portrait(user_id).interests
    except UnknownId:
        return NOBODY
    bought = service.read(
        lambda opened: (
            opened.row(BOUGHT_ITEMS, user_id) if opened.release.has(BOUGHT_ITEMS) else None
        )
    )
    return Searcher(
        {each.category: each.weight for each in interests},
        frozenset(bought["item_ids"] if bought else ()),
    )
