"""``GET /v1/search`` over HTTP on 100,000 items, for users whose interests are known.

The catalogue is that of the live snapshot, repeated under new ids until it has 100,000 items, each
title with a word more. Server and client share the machine.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa

from benchmarks.insights.search import EXTRA_WORDS, ITEMS, TARGET_MS, mistyped, query_of
from benchmarks.servers import penchant_server, read_only_home
from benchmarks.serving.load import Request, at_rate, latency_row, latency_table, one_by_one
from penchant.artifacts import Snapshot
from penchant.artifacts.search import CATALOGUE, LEARNED, SearchRecord
from penchant.encryption import parquet as pq
from penchant.insights.search.index import write_index
from penchant.insights.search.learned import learned_items
from penchant.insights.search.ranking import Weights, paths_of
from penchant.insights.search.stage import LEVELS
from penchant.settings import Settings

TITLE = "Search over HTTP"
QUERIES, RATE = 1000, 20


def measure(settings: Settings, *, rate: int = RATE) -> dict[str, Any]:
    """``rate``: requests a second of the open loop."""
    snapshot = Snapshot.live(settings)
    users = pq.read_table(snapshot.mart("users"), columns=["user_id"])["user_id"].to_pylist()
    random = np.random.default_rng(0)
    with read_only_home(settings) as home:
        local = settings.model_copy(update={"home": home})
        titles = _write(local, snapshot, random)
        chosen = [titles[at] for at in random.integers(0, ITEMS, QUERIES)]
        queries = [query_of(title, random) for title in chosen]
        kinds = {
            "words of a title": [f"{query} " for query in queries],
            "a word's beginning": [query[: max(2, len(query) - 2)] for query in queries],
            "a typing error": [f"{mistyped(query, random)} " for query in queries],
        }
        requests = {
            kind: [
                Request(f"/v1/search?{urlencode({'q': text, 'user_id': random.choice(users)})}")
                for text in texts
            ]
            for kind, texts in kinds.items()
        }
        mixed = [each for three in zip(*requests.values(), strict=True) for each in three][:QUERIES]
        with penchant_server(home) as server:
            one_by_one(server.port, mixed[:50])
            rows = [
                latency_row(f"{kind}, one by one", one_by_one(server.port, each), p99=TARGET_MS)
                for kind, each in requests.items()
            ]
            loaded = at_rate(server.port, mixed, rate)
            rows.append(latency_row(f"all kinds, {rate} a second", loaded, p99=TARGET_MS))
    return {"rows": rows, "items": ITEMS}


def page(figures: dict[str, Any]) -> str:
    return (
        f"{figures['items']:,} items, ten of them in an answer, re-ranked for a user. The rate is "
        "an open loop: a request's time counts from when it was due.\n\n"
        f"{latency_table(figures['rows'])}"
    )


def _write(settings: Settings, snapshot: Snapshot, random: np.random.Generator) -> list[str]:
    """Publish an index of 100,000 items in the home; return their titles."""
    names = ["item_id", "title", "brand", "description", *LEVELS]
    items = pq.read_table(snapshot.mart("items"), columns=names).to_pylist()
    rows = [items[at % len(items)] for at in range(ITEMS)]
    titles = [f"{row['title']} w{random.integers(EXTRA_WORDS):05}" for row in rows]
    paths = [paths_of(tuple(row[level] for level in LEVELS)) for row in rows]
    ids = [f"{row['item_id']}-{at // len(items)}" for at, row in enumerate(rows)]
    ids[: len(items)] = [row["item_id"] for row in items]
    texts = {
        "title": titles,
        "brand": [row["brand"] for row in rows],
        "description": [row["description"] for row in rows],
        "category": [path[-1] if path else None for path in paths],
    }
    learned = learned_items(snapshot, settings.threads)
    catalogue = pa.table(
        {
            "item_id": ids,
            "title": titles,
            "paths": pa.array([list(path) for path in paths], pa.list_(pa.string())),
            "popularity": random.random(ITEMS),
        }
    )

    def write(folder: Path) -> SearchRecord:
        words = write_index(folder, texts)
        pq.write_table(learned, folder / LEARNED)
        pq.write_table(catalogue, folder / CATALOGUE)
        return SearchRecord(
            snapshot_id=snapshot.id,
            items=ITEMS,
            words=words,
            learned=len(learned),
            weights=vars(Weights()),
            tested_at=None,
            queries=0,
            quality={},
        )

    SearchRecord.publish_once(settings, snapshot.id, write)
    return titles
