"""The uses of interests beside recommendation: demand, orders, returns, fading users, campaigns."""

from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from penchant.api.auth.audit_context import record_entities
from penchant.api.auth.tokens import INSIGHTS
from penchant.api.console.render import page, safe_svg
from penchant.api.console.session import READ_SCOPES, USER_SCOPE, RequireVisitor, Visitor
from penchant.api.http.services import AppServices
from penchant.errors import NothingToDo
from penchant.insights.campaigns.published import PublishedCampaign, published_campaigns
from penchant.insights.demand.published import (
    NodeForecast,
    PublishedDemand,
    published_demand,
)
from penchant.insights.demand.restock import RestockPolicy
from penchant.insights.retention.published import PublishedRetention, published_retention
from penchant.plots.band_plot import Band, band_plot
from penchant.plots.bar_plot import Bar, bar_plot

MAX_CATEGORIES, MAX_RESTOCK, MAX_FADING, MAX_CAMPAIGNS = 7, 20, 20, 5
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
    demand, retention, missing = None, None, []
    campaigns: list[PublishedCampaign] = []
    if visitor.allows(INSIGHTS):
        campaigns = published_campaigns(services.settings)[:MAX_CAMPAIGNS]
        try:
            demand = published_demand(services.settings)
        except NothingToDo as error:
            missing.append(error)
        try:
            retention = published_retention(services.settings)
        except NothingToDo as error:
            missing.append(error)
    fading: list[dict[str, Any]] = []
    if retention is not None and visitor.allows(USER_SCOPE):
        known = services.recommendations.profiles
        profiled = (row for row in retention.fading() if known(row["user_id"]))
        fading = list(islice(profiled, MAX_FADING))
        record_entities(request, len(fading))
    policy = RestockPolicy(lead_days, service_level)
    return page(
        request,
        "insights.html",
        visitor,
        scope=INSIGHTS,
        allowed=visitor.allows(INSIGHTS),
        missing=missing,
        policy=policy,
        fading=fading,
        user_scope=USER_SCOPE,
        sees_users=visitor.allows(USER_SCOPE),
        retention=retention.record if retention else None,
        tenths=_tenths(retention) if retention else None,
        campaigns=[(each.record, _by_budget(each)) for each in campaigns],
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


def _tenths(retention: PublishedRetention) -> Markup:
    """What was predicted for each tenth of the users, and what came."""
    model = retention.record.returns[retention.record.return_model]
    bars = [
        Bar(
            label=f"tenth {place}: predicted {each.predicted:.0%}",
            value=each.came["mean"],
            low=each.came["low"],
            high=each.came["high"],
            note=f"{each.came['mean']:.0%} returned",
            style="bar-all",
            tip=f"predicted {each.predicted:.1%}, returned {each.came['mean']:.1%}",
        )
        for place, each in enumerate(model.deciles, start=1)
    ]
    return safe_svg(bar_plot(bars, "Returns within 28 days by tenth", "{:.0%}".format))


def _by_budget(campaign: PublishedCampaign) -> Markup:
    """What the goal gains less and less of, as the budget grows."""
    record = campaign.record
    bars = [
        Bar(
            label=f"budget {float(share) * record.budget:,.0f}",
            value=worth,
            low=worth,
            high=worth,
            note=f"{worth:,.0f}",
            style="bar-all",
            tip=f"{share} of the budget: {worth:,.0f}",
        )
        for share, worth in record.by_budget.items()
    ]
    title = f"Expected {record.goal.replace('_', ' ')} of {record.name} by budget"
    return safe_svg(bar_plot(bars, title, "{:,.0f}".format))


def _plot(forecast: NodeForecast) -> Markup:
    name = forecast.category or "the shop"
    ahead = [Band(f"{week.start}", week.mean, week.low, week.high) for week in forecast.weeks]
    return safe_svg(band_plot(forecast.history, ahead, f"Pieces a week of {name}"))
