"""The `index-search` stage: an index of a snapshot's items, and the weights of what ranks them."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from penchant.artifacts import Snapshot
from penchant.artifacts.search import CATALOGUE, LEARNED, SearchQuality, SearchRecord
from penchant.encryption import parquet as pq
from penchant.errors import NothingToDo
from penchant.insights.search.evaluation import (
    WAYS,
    WINDOW,
    popularity,
    quality,
    query_signals,
    select_weights,
    title_queries,
)
from penchant.insights.search.index import SearchIndex, write_index
from penchant.insights.search.learned import learned_items
from penchant.insights.search.ranking import ItemFacts, Weights, paths_of
from penchant.settings import Settings

LEVELS = ("category_1", "category_2", "category_3")
LEAST_QUERIES = 100


@dataclass(frozen=True)
class SearchReport:
    """``repeated``: the index was there already."""

    record: SearchRecord
    repeated: bool

    def summary(self) -> str:
        record, done = self.record, "unchanged" if self.repeated else "indexed"
        return f"{done}: {record.items:,} items with {record.words:,} words"

    def as_dict(self) -> dict[str, Any]:
        return self.record.as_dict()


def index_search(settings: Settings, snapshot_id: str) -> SearchReport:
    """Write ``insights/<snapshot>/search/``, once, and make it the index that answers.

    Raises NothingToDo for a snapshot without items.
    """
    snapshot = Snapshot.checked(settings, snapshot_id)

    def write(folder: Path) -> SearchRecord:
        return build_index(settings, snapshot, folder)

    record, repeated = SearchRecord.publish_once(settings, snapshot.id, write)
    return SearchReport(record, repeated)


def build_index(settings: Settings, snapshot: Snapshot, folder: Path) -> SearchRecord:
    """Write all files but the record to a folder."""
    names = ("item_id", "title", "description", "brand", *LEVELS)
    present = pq.read_schema(snapshot.mart("items")).names
    items = pq.read_table(
        snapshot.mart("items"), columns=[name for name in names if name in present]
    ).sort_by("item_id")
    if not len(items):
        raise NothingToDo(
            f"snapshot {snapshot.id} has no items", "land a catalogue or events, then build again"
        )
    rows = [{**dict.fromkeys(names), **row} for row in items.to_pylist()]
    paths = tuple(paths_of(tuple(row[level] for level in LEVELS)) for row in rows)
    texts = {name: [row[name] for row in rows] for name in ("title", "brand", "description")}
    texts["category"] = [path[-1] if path else None for path in paths]
    words = write_index(folder, texts)
    learned = learned_items(snapshot, settings.threads)
    pq.write_table(learned, folder / LEARNED)
    item_ids = tuple(row["item_id"] for row in rows)
    now = popularity(snapshot, item_ids, snapshot.as_of)
    pq.write_table(
        pa.table(
            {
                "item_id": item_ids,
                "title": texts["title"],
                "paths": pa.array([list(path) for path in paths], pa.list_(pa.string())),
                "popularity": now,
            }
        ),
        folder / CATALOGUE,
    )
    index = SearchIndex.open(folder, len(rows))
    titles = [row["title"] or "" for row in rows]
    weights, queries, found = _evaluated(settings, snapshot, index, item_ids, paths, titles)
    return SearchRecord(
        snapshot_id=snapshot.id,
        items=len(rows),
        words=words,
        learned=len(learned),
        weights={name: getattr(weights, name) for name in weights.__dataclass_fields__},
        tested_at=snapshot.as_of - WINDOW if found else None,
        queries=queries,
        quality=found,
    )


def _evaluated(
    settings: Settings,
    snapshot: Snapshot,
    index: SearchIndex,
    item_ids: tuple[str, ...],
    paths: tuple[tuple[str, ...], ...],
    titles: list[str],
) -> tuple[Weights, int, dict[str, SearchQuality]]:
    """Weights that are selected on purchases of the four weeks before the last, and the quality of
    each way on the last four weeks; the default weights where there are too few purchases."""

    def ask(moment: datetime) -> list[Any]:
        facts = ItemFacts(item_ids, paths, popularity(snapshot, item_ids, moment))
        queries = title_queries(snapshot, facts, titles, moment, settings.seed)
        return query_signals(index, facts, queries)

    if not snapshot.mart("user_portrait").exists():
        return Weights(), 0, {}
    validation = ask(snapshot.as_of - 2 * WINDOW)
    test = ask(snapshot.as_of - WINDOW)
    if min(len(validation), len(test)) < LEAST_QUERIES:
        return Weights(), 0, {}
    weights = select_weights(validation)
    ways = WAYS | {"all signals": weights}
    return weights, len(test), {name: quality(test, way) for name, way in ways.items()}
