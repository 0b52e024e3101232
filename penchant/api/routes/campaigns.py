"""``GET /v1/campaigns`` and ``/v1/campaign_users``: planned campaigns, and what to send to whom."""

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from penchant.api.auth.access import RequireScope, charge_work
from penchant.api.auth.audit_context import record_entities
from penchant.api.auth.tokens import FEATURE_SCOPES, INSIGHTS
from penchant.api.http.services import AppServices
from penchant.api.schemas.campaigns import (
    CampaignPlan,
    CampaignPlans,
    CampaignUsers,
    CampaignUsersQuery,
    UserOffer,
)
from penchant.insights.campaigns.published import published_campaign, published_campaigns

router = APIRouter(tags=["insights"])


@router.get(
    "/v1/campaigns",
    summary="List planned campaigns",
    dependencies=[Depends(RequireScope(INSIGHTS))],
)
def campaigns(services: AppServices) -> CampaignPlans:
    """What each planned campaign is expected to add and to cost."""
    plans = [each.record.as_dict() for each in published_campaigns(services.settings)]
    fields = CampaignPlan.model_fields
    return CampaignPlans(
        campaigns=[CampaignPlan(**{name: plan[name] for name in fields}) for plan in plans]
    )


@router.get(
    "/v1/campaign_users",
    summary="List what a campaign sends to whom",
    responses={404: {"description": "Unknown campaign."}},
    dependencies=[Depends(RequireScope(FEATURE_SCOPES["direct"]))],
)
def campaign_users(
    request: Request, query: Annotated[CampaignUsersQuery, Query()], services: AppServices
) -> CampaignUsers:
    """The offers of a planned campaign by user, without users who are held out."""
    published = published_campaign(services.settings, query.campaign)
    profiles = services.recommendations.profiles
    profiled = (row for row in published.offers() if profiles(row["user_id"]))
    rows = list(islice(profiled, query.k))
    record_entities(request, len(rows))
    charge_work(request, len(rows) / 50)
    fields = UserOffer.model_fields
    return CampaignUsers(
        snapshot_id=published.record.snapshot_id,
        campaign=published.record.name,
        offers=[UserOffer(**{name: row[name] for name in fields}) for row in rows],
    )
