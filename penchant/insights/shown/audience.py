"""How well audiences find first buyers, and what is new, as a section of a page."""

from penchant.artifacts.audience import AUDIENCES
from penchant.encryption import parquet as pq
from penchant.insights.audience.published import published_audiences
from penchant.insights.shown.plots import audience_plot
from penchant.insights.shown.section import InsightSection
from penchant.settings import Settings

MOST_ITEMS = 12


def audience_section(settings: Settings) -> InsightSection:
    """Names no users. Raises NothingToDo until audiences are published."""
    published = published_audiences(settings)
    record = published.record
    new = pq.read_table(published.folder / AUDIENCES, columns=["item_id", "title", "segments"])
    return InsightSection(
        "audience",
        "Audiences of new items",
        f"First buyers of {record.tested_launches:,} items that were new on "
        f"{record.tested_at:%Y-%m-%d}, of whom so many were among the best 100 of "
        f"{record.users:,} users. {record.items:,} items of snapshot {record.snapshot_id} are "
        f"new; their audiences are ranked by {record.method}.",
        audience_plot(record),
        ["new item", "wanted most by users of"],
        [
            [
                row["title"] or row["item_id"],
                ", ".join(
                    f"{each['category']} ({each['share']:.0%}, of all {each['share_of_all']:.0%})"
                    for each in row["segments"]
                ),
            ]
            for row in new.slice(0, MOST_ITEMS).to_pylist()
        ],
    )
