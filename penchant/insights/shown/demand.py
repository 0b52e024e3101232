"""The demand forecast and its accuracy, as a section of a page."""

from penchant.insights.demand.published import published_demand
from penchant.insights.shown.plots import demand_plot
from penchant.insights.shown.section import InsightSection
from penchant.settings import Settings

COLUMNS = (
    *("class", "method", "WAPE of 4 weeks", "mean of four weeks", "last season"),
    "coverage of 90 %",
)


def demand_section(settings: Settings) -> InsightSection:
    """Raises NothingToDo until a forecast is published."""
    published = published_demand(settings)
    record = published.record
    return InsightSection(
        "demand",
        "Demand of the next four weeks",
        f"Pieces a week of the shop, from snapshot {record.snapshot_id}; accuracy on held-out "
        "weeks.",
        demand_plot(published.of_shop()),
        COLUMNS,
        [
            [
                name,
                each.method.replace("_", " "),
                f"{each.ours.total_wape:.3f}",
                f"{each.baselines['mean_of_four'].total_wape:.3f}",
                f"{each.baselines['seasonal_naive'].total_wape:.3f}",
                f"{each.ours.coverage:.1%}",
            ]
            for name, each in sorted(record.backtest.items())
        ],
        frozenset({2, 3, 4, 5}),
    )
