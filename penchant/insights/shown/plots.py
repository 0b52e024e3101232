"""Plots of insights, as inline SVG, for the console and the report."""

from collections.abc import Sequence
from typing import Any

from penchant.artifacts.audience import AudienceRecord
from penchant.artifacts.campaign import CampaignPlanRecord
from penchant.artifacts.record import Interval
from penchant.artifacts.retention import RetentionRecord
from penchant.artifacts.search import SearchRecord
from penchant.insights.demand.published import NodeForecast
from penchant.plots.band_plot import Band, band_plot
from penchant.plots.bar_plot import Bar, bar_plot

STYLE = "bar-all"
MOST_ASPECTS, MOST_CATEGORIES = 12, 12
LEAST_CHANGE = 0.01  # of a sentiment that is worth a word


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


def search_plot(record: SearchRecord) -> str:
    """Mean reciprocal rank of each order of what is found, the best first."""
    return bar_plot(
        _best_first({name: each.mrr for name, each in record.quality.items()}, "{:.3f}"),
        "Mean reciprocal rank by order",
        "{:.1f}".format,
    )


def audience_plot(record: AudienceRecord) -> str:
    """First buyers among the best 100 users of each order of users, the best first."""
    return bar_plot(
        _best_first({name: each.recall_100 for name, each in record.quality.items()}, "{:.1%}"),
        "First buyers among the best 100 users",
        "{:.0%}".format,
    )


def aspects_plot(aspects: Sequence[dict[str, Any]]) -> str:
    """How favourable sentences are, of the aspects that most reviews mention."""
    bars = [
        Bar(
            label=row["aspect"],
            value=row["sentiment"],
            low=row["sentiment"],
            high=row["sentiment"],
            note=f"{row['reviews']:,} reviews{_change(row['trend'])}",
            style=STYLE,
            tip=f"{row['aspect']}: {row['sentiment']:.0%} favourable in {row['reviews']:,} reviews",
        )
        for row in aspects[:MOST_ASPECTS]
    ]
    return bar_plot(bars, "How favourable reviews are by aspect", "{:.0%}".format)


def prices_plot(prices: Sequence[dict[str, Any]]) -> str:
    """A competitor's prices over ours, by category."""
    bars = [
        Bar(
            label=row["category"] or "all",
            value=row["mean"],
            low=row["low"],
            high=row["high"],
            note=f"{row['mean']:.2f} of {row['items']:,} items",
            style=STYLE,
            tip=f"{row['category'] or 'all'}: {row['mean']:.3f}, {row['cheaper']:.0%} cheaper",
        )
        for row in prices[:MOST_CATEGORIES]
    ]
    return bar_plot(bars, "Their prices over ours by category", "{:.1f}".format)


def _best_first(figures: dict[str, Interval], number: str) -> list[Bar]:
    """A bar for each way."""
    ordered = sorted(figures.items(), key=lambda pair: (-pair[1]["mean"], pair[0]))
    return [
        Bar(
            label=name,
            value=each["mean"],
            low=each["low"],
            high=each["high"],
            note=number.format(each["mean"]),
            style=STYLE,
            tip=f"{name}: {' to '.join(number.format(each[end]) for end in ('low', 'high'))}",
        )
        for name, each in ordered
    ]


def _change(trend: float | None) -> str:
    return f", {trend:+.0%} lately" if trend is not None and abs(trend) >= LEAST_CHANGE else ""
