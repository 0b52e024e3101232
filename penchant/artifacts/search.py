"""The search index of a snapshot."""

from penchant.artifacts.insight import InsightRecord
from penchant.artifacts.record import Interval, Moment, Part

CATALOGUE, LEARNED = "items.parquet", "learned.parquet"


class SearchQuality(Part):
    """Of a way to rank, on words of the titles of items that users then bought: ``mrr``: mean of
    1 / rank of the bought item among ten; ``recall``: share that is among the ten."""

    mrr: Interval
    recall: float


class SearchRecord(InsightRecord):
    """``search.json``; the index's arrays, ``items.parquet`` and ``learned.parquet`` are beside it.

    ``weights`` of the signals were selected on earlier purchases than those after ``tested_at``;
    ``quality`` is empty where nothing could be evaluated.
    """

    KIND, COMMAND, CONTENT = "search", "index-search", "search index is"
    REMEDY = "run `penchant index-search` again"

    snapshot_id: str
    items: int
    words: int
    learned: int
    weights: dict[str, float]
    tested_at: Moment | None
    queries: int
    quality: dict[str, SearchQuality]
