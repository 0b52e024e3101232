"""How well search finds what is bought, and what users search for, as a section of a page."""

from penchant.artifacts import Snapshot
from penchant.artifacts.search import SearchRecord
from penchant.encryption import parquet as pq
from penchant.insights.shown.plots import search_plot
from penchant.insights.shown.section import InsightSection
from penchant.settings import Settings

MOST_QUERIES = 12


def search_section(settings: Settings) -> InsightSection:
    """Queries with the least that follows are worth a look: the shop may lack what they ask for.

    Raises NothingToDo until an index is published.
    """
    folder = SearchRecord.published_folder(settings)
    record = SearchRecord.read(folder / "search.json")
    tested = (
        f"Mean reciprocal rank of what users bought in the four weeks after "
        f"{record.tested_at:%Y-%m-%d}, by words of its title in {record.queries:,} queries."
        if record.tested_at
        else "Too few purchases to compare orders of what is found."
    )
    return InsightSection(
        "search",
        "Search",
        f"{record.items:,} items with {record.words:,} words, from snapshot {record.snapshot_id}. "
        f"{tested} The table has queries of at least two users, and the share of their searches "
        "after which something was looked at, and bought.",
        search_plot(record) if record.quality else "",
        ["query", "searches", "users", "looked at", "bought"],
        frequent_queries(Snapshot.open(settings, record.snapshot_id), MOST_QUERIES),
        frozenset({1, 2, 3, 4}),
    )


def frequent_queries(snapshot: Snapshot, most: int) -> list[list[str]]:
    """The most frequent queries as cells; none in a snapshot of an earlier dbt project."""
    if not snapshot.mart("search_queries").exists():
        return []
    table = pq.read_table(snapshot.mart("search_queries"))
    listed = table.sort_by([("searches", "descending"), ("query", "ascending")]).slice(0, most)
    return [
        [
            row["query"],
            f"{row['searches']:,}",
            f"{row['users']:,}",
            f"{row['followed'] / row['searches']:.0%}",
            f"{row['bought'] / row['searches']:.0%}",
        ]
        for row in listed.to_pylist()
    ]
