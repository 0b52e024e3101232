"""The report's sections on insights: demand, returns and planned campaigns, where published."""

from html import escape

from penchant.artifacts.record import Interval
from penchant.errors import NothingToDo
from penchant.insights.campaigns.published import published_campaigns
from penchant.insights.demand.published import published_demand
from penchant.insights.plots import budget_plot, demand_plot, returns_plot
from penchant.insights.retention.published import published_retention
from penchant.report.parts import html_table, section
from penchant.settings import Settings

NUMBERS = {2, 3, 4}
CAMPAIGNS = 3


def insights_sections(settings: Settings) -> list[str]:
    """A section for each insight that is published."""
    found = []
    for made in (_demand, _returns):
        try:
            found.append(made(settings))
        except NothingToDo:  # not published in this home
            continue
    return [*found, *_campaigns(settings)]


def _demand(settings: Settings) -> str:
    published = published_demand(settings)
    record = published.record
    rows = [
        [
            escape(name),
            escape(each.method.replace("_", " ")),
            f"{each.ours.total_wape:.3f}",
            f"{each.baselines['mean_of_four'].total_wape:.3f}",
            f"{each.ours.coverage:.1%}",
        ]
        for name, each in sorted(record.backtest.items())
    ]
    names = ["class", "method", "WAPE of 4 weeks", "mean of four weeks", "coverage of 90 %"]
    return section(
        "Demand of the next four weeks",
        f'<div class="soft">Pieces a week of the shop, from snapshot '
        f"{escape(record.snapshot_id)}; accuracy on held-out weeks.</div>"
        f"{demand_plot(published.of_shop())}{html_table(names, rows, numbers=NUMBERS)}",
    )


def _returns(settings: Settings) -> str:
    record = published_retention(settings).record
    auc = record.returns[record.return_model].auc
    return section(
        "Returns within 28 days",
        f'<div class="soft">{record.tested_users:,} users of snapshot '
        f"{escape(record.snapshot_id)}, by tenths of what "
        f"{escape(record.return_model.replace('_', ' '))} predicted; AUC {auc['mean']:.3f}. "
        f"{record.fading:,} of {record.users:,} users are fading.</div>{returns_plot(record)}",
    )


def _campaigns(settings: Settings) -> list[str]:
    """Those that begin last."""
    found = []
    for each in published_campaigns(settings)[:CAMPAIGNS]:
        record = each.record
        rows = [
            [
                *(escape(name), escape(offer.kind), f"{offer.users:,}"),
                *(_money(offer.cost), _money(offer.added)),
            ]
            for name, offer in record.offers.items()
        ]
        names = ["offer", "kind", "users", "cost", "added spending"]
        goal = escape(record.goal.replace("_", " "))
        found.append(
            section(
                f"Campaign {record.name}",
                f'<div class="soft">{record.starts_on} to {record.ends_on}: {record.users:,} '
                f"users, {record.held_out:,} held out; expected {goal} "
                f"{_money(record.worth)}, by budget:</div>{budget_plot(record)}"
                f"{html_table(names, rows, numbers=NUMBERS)}",
            )
        )
    return found


def _money(figure: Interval) -> str:
    return f"{figure['mean']:,.0f} [{figure['low']:,.0f}, {figure['high']:,.0f}]"
