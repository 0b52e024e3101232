"""The uses of interests beside recommendation: the demand forecast and what to order."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from penchant.api.auth.tokens import INSIGHTS
from penchant.api.console.render import page, safe_svg
from penchant.api.console.session import READ_SCOPES, RequireVisitor, Visitor
from penchant.api.http.services import AppServices
from penchant.errors import NothingToDo
from penchant.insights.demand.published import (
    NodeForecast,
    PublishedDemand,
    published_demand,
)
from penchant.insights.demand.restock import RestockPolicy
from penchant.plots.band_plot import Band, band_plot

MAX_CATEGORIES, MAX_RESTOCK = 7, 20
LeadDays = Annotated[int, Query(ge=1, le=28)]
ServiceLevel = Annotated[float, Query(ge=0.5, le=0.99)]
router = APIRouter()


@router.get("/insights")
def insights(
    request: Request,
    visitor: Annotated[Visitor, Depends(RequireVisitor((*READ_SCOPES, INSIGHTS)))],
    services: AppServices,
    lead_days: LeadDays = 7,
    service_level: ServiceLevel = 0.95,
) -> HTMLResponse:
    """Forecasts by category, their accuracy on held-out weeks, and the restock list."""
    demand, missing = None, None
    if visitor.allows(INSIGHTS):
        try:
            demand = published_demand(services.settings)
        except NothingToDo as error:
            missing = error
    policy = RestockPolicy(lead_days, service_level)
    return page(
        request,
        "insights.html",
        visitor,
        scope=INSIGHTS,
        allowed=visitor.allows(INSIGHTS),
        missing=missing,
        policy=policy,
        **_demand(demand, policy),
    )


def _demand(demand: PublishedDemand | None, policy: RestockPolicy) -> dict[str, Any]:
    if demand is None:
        return {"record": None, "plots": [], "listed": []}
    shown = [demand.of_shop(), *demand.categories(MAX_CATEGORIES)]
    return {
        "record": demand.record,
        "plots": [(each.category or "The shop", _plot(each)) for each in shown],
        "listed": demand.titled(demand.restock(policy).slice(0, MAX_RESTOCK)),
    }


def _plot(forecast: NodeForecast) -> Markup:
    name = forecast.category or "the shop"
    ahead = [Band(f"{week.start}", week.mean, week.low, week.high) for week in forecast.weeks]
    return safe_svg(band_plot(forecast.history, ahead, f"Pieces a week of {name}"))
