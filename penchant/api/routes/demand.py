"""``GET /v1/demand`` and ``/v1/restock``: what will be bought, and what to order."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from penchant.api.auth.access import RequireScope, charge_work
from penchant.api.auth.tokens import INSIGHTS
from penchant.api.http.problems import UNKNOWN_ITEM
from penchant.api.http.services import AppServices
from penchant.api.schemas.insights import (
    DemandForecast,
    DemandQuery,
    ExpectedPieces,
    RestockItem,
    RestockList,
    RestockQuery,
)
from penchant.errors import UsageError
from penchant.insights.demand.published import published_demand
from penchant.insights.demand.restock import RestockPolicy

router = APIRouter(tags=["insights"], dependencies=[Depends(RequireScope(INSIGHTS))])
RESTOCK_WORK = 5.0  # units, of a list over all items


@router.get("/v1/demand", summary="Forecast demand", responses=UNKNOWN_ITEM)
def demand(query: Annotated[DemandQuery, Query()], services: AppServices) -> DemandForecast:
    """Pieces of the next four weeks by week and day: of an item, a category or the shop."""
    if query.item_id is not None and query.category is not None:
        raise UsageError("item_id and category are both given", "pass one of them, or neither")
    published = published_demand(services.settings)
    if query.item_id is not None:
        found = published.of_item(query.item_id)
    elif query.category is not None:
        found = published.of_category(query.category)
    else:
        found = published.of_shop()
    return DemandForecast(
        snapshot_id=published.record.snapshot_id,
        level=found.level,
        item_id=found.item_id,
        category=found.category,
        volume_class=found.volume_class,
        method=found.method,
        history=list(found.history),
        weeks=[ExpectedPieces(**asdict(each)) for each in found.weeks],
        days=[ExpectedPieces(**asdict(each)) for each in found.days],
    )


@router.get("/v1/restock", summary="List reorder points")
def restock(
    request: Request, query: Annotated[RestockQuery, Query()], services: AppServices
) -> RestockList:
    """Stock that covers the demand until the next delivery arrives, by item."""
    charge_work(request, RESTOCK_WORK)
    published = published_demand(services.settings)
    listed = published.restock(RestockPolicy(query.lead_days, query.service_level))
    return RestockList(
        snapshot_id=published.record.snapshot_id,
        lead_days=query.lead_days,
        service_level=query.service_level,
        items=[RestockItem(**row) for row in published.titled(listed.slice(0, query.k))],
    )
