"""``GET /v1/competitors``: a competitor's prices, assortment and reviews against ours."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from penchant.api.auth.access import RequireScope
from penchant.api.auth.tokens import INSIGHTS
from penchant.api.http.problems import UNKNOWN_ITEM
from penchant.api.http.services import AppServices
from penchant.api.schemas.competitors import (
    AspectDifference,
    AssortmentGap,
    Competitors,
    CompetitorsQuery,
    MatchedItem,
    PriceIndex,
)
from penchant.insights.competitors.published import published_competitors

router = APIRouter(tags=["insights"], dependencies=[Depends(RequireScope(INSIGHTS))])


@router.get("/v1/competitors", summary="Compare with a competitor", responses=UNKNOWN_ITEM)
def competitors(query: Annotated[CompetitorsQuery, Query()], services: AppServices) -> Competitors:
    """Matched items, price index by category, what they have and we lack, sentiment by aspect."""
    published = published_competitors(services.settings)
    found = published.of(query.competitor)
    return Competitors(
        snapshot_id=published.record.snapshot_id,
        competitor=found.summary.competitor,
        known=published.names(),
        items=found.summary.items,
        matched=found.summary.matched,
        prices=[PriceIndex.of(row) for row in found.prices],
        matches=[MatchedItem.of(row) for row in found.matches[: query.k]],
        gaps=[AssortmentGap.of(row) for row in found.gaps[: query.k]],
        aspects=[AspectDifference.of(row) for row in found.aspects[: query.k]],
    )
