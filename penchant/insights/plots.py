"""Plots of insights, as inline SVG, for the console and the report."""

from penchant.artifacts.campaign import CampaignPlanRecord
from penchant.artifacts.retention import RetentionRecord
from penchant.insights.demand.published import NodeForecast
from penchant.plots.band_plot import Band, band_plot
from penchant.plots.bar_plot import Bar, bar_plot

STYLE = "bar-all"


def demand_plot(forecast: NodeForecast) -> str:
    """Pieces of the last weeks, and of the next ones with their interval."""
    name = forecast.category or "the shop"
    ahead = [Band(f"{week.start}", week.mean, week.low, week.high) for week in forecast.weeks]
    return band_plot(forecast.history, ahead, f"Pieces a week of {name}")


def returns_plot(record: RetentionRecord) -> str:
    """What was predicted for each tenth of the users, and what came."""
    bars = [
        Bar(
            label=f"tenth {place}: predicted {each.predicted:.0%}",
            value=each.came["mean"],
            low=each.came["low"],
            high=each.came["high"],
            note=f"{each.came['mean']:.0%} returned",
            style=STYLE,
            tip=f"predicted {each.predicted:.1%}, returned {each.came['mean']:.1%}",
        )
        for place, each in enumerate(record.returns[record.return_model].deciles, start=1)
    ]
    return bar_plot(bars, "Returns within 28 days by tenth", "{:.0%}".format)


def budget_plot(record: CampaignPlanRecord) -> str:
    """What the goal gains less and less of, as the budget grows."""
    bars = [
        Bar(
            label=f"budget {float(share) * record.budget:,.0f}",
            value=worth,
            low=worth,
            high=worth,
            note=f"{worth:,.0f}",
            style=STYLE,
            tip=f"{share} of the budget: {worth:,.0f}",
        )
        for share, worth in record.by_budget.items()
    ]
    title = f"Expected {record.goal.replace('_', ' ')} of {record.name} by budget"
    return bar_plot(bars, title, "{:,.0f}".format)
