"""A competitor's prices and what it has that we lack, as sections of a page."""

from penchant.insights.competitors.published import Comparison, published_competitors
from penchant.insights.shown.plots import prices_plot
from penchant.insights.shown.section import InsightSection
from penchant.settings import Settings

MOST_GAPS = 10


def competitor_sections(settings: Settings) -> list[InsightSection]:
    """One for each competitor. Raises NothingToDo until competitors are compared."""
    published = published_competitors(settings)
    return [_section(published.of(name), number) for number, name in enumerate(published.names())]


def _section(found: Comparison, number: int) -> InsightSection:
    summary = found.summary
    return InsightSection(
        f"competitor-{number}",
        f"Competitor {summary.competitor}",
        f"{summary.matched:,} of {summary.items:,} items are ours too. Their price over ours, "
        "weighed by our pieces sold; lines are 95 % intervals. The table has what we lack, with "
        "the share of our users' interests that is in its category.",
        prices_plot(found.prices) if found.prices else "",
        ["item", "price", "our category", "interest"],
        [
            [
                f"{row['title']} ({row['brand']})" if row["brand"] else row["title"],
                "" if row["price"] is None else f"{row['price']:,.2f}",
                row["category"] or "",
                f"{row['interest']:.1%}",
            ]
            for row in found.gaps[:MOST_GAPS]
        ],
        frozenset({1, 3}),
    )
