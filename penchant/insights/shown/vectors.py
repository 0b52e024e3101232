"""Which items have vectors of images, texts or another kind, as a section of a page."""

from collections import Counter

from penchant.artifacts import Snapshot
from penchant.encryption import parquet as pq
from penchant.errors import NothingToDo
from penchant.insights.shown.plots import STYLE
from penchant.insights.shown.section import InsightSection
from penchant.plots.bar_plot import Bar, bar_plot
from penchant.settings import Settings


def vectors_section(settings: Settings) -> InsightSection:
    """Of the live snapshot. Raises NothingToDo where no item has a vector."""
    if settings.live_snapshot.current() is None:
        raise NothingToDo("no snapshot is live", "run `penchant build`, then `penchant check`")
    snapshot = Snapshot.live(settings)
    mart = snapshot.mart("item_embeddings")
    if not mart.exists() or not pq.read_metadata(mart).num_rows:
        raise NothingToDo(
            f"snapshot {snapshot.id} has no vectors of items",
            "land item_embeddings, or run `penchant embed`",
        )
    table = pq.read_table(mart, columns=["kind", "dimensions"])
    items = pq.read_metadata(snapshot.mart("items")).num_rows
    kinds = Counter(table["kind"].to_pylist())
    dimensions = dict(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))
    bars = [
        Bar(kind, count / items, count / items, count / items, f"{count:,} items", STYLE, kind)
        for kind, count in kinds.most_common()
    ]
    return InsightSection(
        "vectors",
        "Vectors of items",
        f"Share of the {items:,} items of snapshot {snapshot.id} with a vector, by kind.",
        bar_plot(bars, "Share of items with a vector by kind", "{:.0%}".format),
        ["kind", "items", "dimensions"],
        [[kind, f"{count:,}", f"{dimensions[kind]:,}"] for kind, count in kinds.most_common()],
        frozenset({1, 2}),
    )
