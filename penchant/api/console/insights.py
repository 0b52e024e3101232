"""The uses of interests beside recommendation: demand, returns, search, launches, campaigns."""

from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from penchant.api.auth.audit_context import record_entities
from penchant.api.auth.tokens import INSIGHTS
from penchant.api.console.render import page, safe_svg
from penchant.api.console.session import READ_SCOPES, USER_SCOPE, RequireVisitor, Visitor
from penchant.api.http.services import AppServices
from penchant.errors import NothingToDo
from penchant.insights.campaigns.published import PublishedCampaign, published_campaigns
from penchant.insights.demand.published import (
    PublishedDemand,
    published_demand,
)
from penchant.insights.demand.restock import RestockPolicy
from penchant.insights.retention.published import published_retention
from penchant.insights.shown.audience import audience_section
from penchant.insights.shown.demand import demand_section
from penchant.insights.shown.plots import budget_plot, demand_plot, returns_plot
from penchant.insights.shown.published import made
from penchant.insights.shown.search import search_section
from penchant.insights.shown.vectors import vectors_section
from penchant.settings import Settings

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
    """Forecasts by category, restock list, returns, search, audiences and campaigns."""
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
        tenths=safe_svg(returns_plot(retention.record)) if retention else None,
        sections=[
            (each, safe_svg(each.plot))
            for make in (search_section, audience_section, vectors_section)
            if visitor.allows(INSIGHTS)
            for each in made(services.settings, make)
        ],
        campaigns=[(each.record, safe_svg(budget_plot(each.record))) for each in campaigns],
        **_demand(services.settings, demand, policy),
    )


def _demand(
    settings: Settings, demand: PublishedDemand | None, policy: RestockPolicy
) -> dict[str, Any]:
    if demand is None:
        return {"record": None, "plots": [], "listed": [], "accuracy": None}
    shown = [demand.of_shop(), *demand.categories(MAX_CATEGORIES)]
    return {
        "record": demand.record,
        "plots": [(each.category or "The shop", safe_svg(demand_plot(each))) for each in shown],
        "accuracy": demand_section(settings),
        "listed": demand.titled(demand.restock(policy).slice(0, MAX_RESTOCK)),
    }
