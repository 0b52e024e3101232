"""Planned campaigns, as sections of a page."""

from penchant.artifacts.campaign import CampaignPlanRecord
from penchant.insights.campaigns.published import published_campaigns
from penchant.insights.shown.plots import budget_plot
from penchant.insights.shown.section import InsightSection, figure
from penchant.settings import Settings

MOST_CAMPAIGNS = 3


def campaign_sections(settings: Settings) -> list[InsightSection]:
    """Those that begin last."""
    return [_section(each.record) for each in published_campaigns(settings)[:MOST_CAMPAIGNS]]


def _section(record: CampaignPlanRecord) -> InsightSection:
    return InsightSection(
        f"campaign-{record.name}",
        f"Campaign {record.name}",
        f"{record.starts_on} to {record.ends_on}: {record.users:,} users, {record.held_out:,} "
        f"held out; expected {record.goal.replace('_', ' ')} {figure(record.worth)}, by budget:",
        budget_plot(record),
        ["offer", "kind", "users", "cost", "added spending"],
        [
            [name, each.kind, f"{each.users:,}", figure(each.cost), figure(each.added)]
            for name, each in record.offers.items()
        ],
        frozenset({2, 3, 4}),
    )
