"""The search index of a snapshot."""

from pathlib import Path

from penchant.artifacts.record import Interval, Moment, Part, Record
from penchant.settings import Settings

CATALOGUE, LEARNED = "items.parquet", "learned.parquet"


class SearchQuality(Part):
    """Of a way to rank, on words of the titles of items that users then bought: ``mrr``: mean of
    1 / rank of the bought item among ten; ``recall``: share that is among the ten."""

    mrr: Interval
    recall: float


class SearchRecord(Record):
    """``search.json``; the index's arrays, ``items.parquet`` and ``learned.parquet`` are beside it.

    ``weights`` of the signals were selected on earlier purchases than those after ``tested_at``;
    ``quality`` is empty where nothing could be evaluated.
    """

    REMEDY = "run `penchant index-search` again"

    snapshot_id: str
    items: int
    words: int
    learned: int
    weights: dict[str, float]
    tested_at: Moment | None
    queries: int
    quality: dict[str, SearchQuality]

    @staticmethod
    def folder(settings: Settings, snapshot_id: str) -> Path:
        return settings.home / "insights" / snapshot_id / "search"

    @classmethod
    def path(cls, settings: Settings, snapshot_id: str) -> Path:
        return cls.folder(settings, snapshot_id) / "search.json"
