"""Feature stores and vector indexes: time to write and to read, and size.

Each feature store is read through Feast in a process of its own with the same rows; each index
holds the same vectors and searches as many candidates. Redis and Postgres run on loopback for the
time of the measurement.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.processes import peer
from benchmarks.rows import Row, table
from benchmarks.serving.load import timed_calls
from penchant.releases import pgvector_index
from penchant.releases.hnsw_index import EXPANSION_SEARCH, RECALL_AT, HnswIndex, share_found
from penchant.releases.pgvector_index import EXPANSION_ADD, PgvectorIndex
from penchant.settings import Settings
from tests.serving.store_servers import Absent, postgres_server, redis_server

TITLE = "Feature and vector stores"
GROUPS = 200  # clusters of item vectors
MB = 1e6


def measure(
    settings: Settings,
    *,
    users: int = 20_000,
    reads: int = 500,
    items: int = 30_000,
    searches: int = 500,
) -> dict[str, Any]:
    """``reads``: of one row and of 100 rows, each."""
    with tempfile.TemporaryDirectory() as folder:
        rows = feature_rows(Path(folder), users, reads)
        rows += vector_rows(Path(folder), items, searches)
    return {"rows": [row.as_dict() for row in rows]}


def page(figures: dict[str, Any]) -> str:
    return table(figures["rows"])


# --- features


@dataclass(frozen=True)
class Store:
    """``config``: of Feast's online store; ``to_write``: what differs while it is written."""

    config: dict[str, Any]
    size_mb: Callable[[], float]
    package: str | None = None
    to_write: dict[str, Any] = field(default_factory=dict)


@contextmanager
def feature_stores(folder: Path) -> Iterator[dict[str, Store]]:
    from redis import Redis

    wide, plain, milvus = (folder / f"{name}.db" for name in ("wide", "plain", "milvus"))
    ours = {"type": "penchant.features.online_store.WideSqliteOnlineStore", "path": str(wide)}
    with redis_server() as address:
        redis = Redis(port=int(address.rpartition(":")[2]))
        yield {
            "ours, SQLite": Store(ours, partial(size_mb, wide), to_write={"read_only": False}),
            "Feast's SQLite": Store(
                {"type": "sqlite", "path": str(plain)}, partial(size_mb, plain)
            ),
            "Redis": Store(
                {"type": "redis", "connection_string": address},
                lambda: redis.info("memory")["used_memory_dataset"] / MB,
            ),
            "Milvus Lite": Store(
                {"type": "milvus", "path": str(milvus), "embedding_dim": 2},
                partial(size_mb, milvus),
                package="milvus",
            ),
        }


def size_mb(path: Path) -> float:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / MB


def feature_rows(folder: Path, users: int, reads: int) -> list[Row]:
    file = folder / "statistics.parquet"
    statistics(users).to_parquet(file, coerce_timestamps="us")
    rows = []
    with feature_stores(folder) as stores:
        for name, store in stores.items():
            options = json.dumps({"reads": reads, "to_write": store.to_write})
            arguments = (file, json.dumps(store.config), options)
            measured = peer("with_feast_store", *arguments, package=store.package)
            what = f"{users:,} rows of 10 features, {name}"
            rows.append(Row(f"{what}: write", measured["write_seconds"], "s"))
            rows.append(Row(f"{what}: size", store.size_mb(), "MB"))
            for count, times in measured["read_ms"].items():
                rows += percentiles(f"{what}: read {count}", times)
    return rows


def statistics(users: int) -> pd.DataFrame:
    """Ten features of each user: 5 numbers, 3 counts, 2 words."""
    random = np.random.default_rng(0)
    rows = {
        "user_id": [f"u{number}" for number in range(users)],
        "at": [datetime(2018, 1, 2)] * users,
    }
    rows |= {f"number_{at}": random.normal(size=users) for at in range(5)}
    rows |= {f"count_{at}": random.integers(0, 1000, users) for at in range(3)}
    rows |= {f"word_{at}": [f"word {n}" for n in random.integers(0, 50, users)] for at in range(2)}
    return pd.DataFrame(rows)


def percentiles(what: str, milliseconds: list[float]) -> list[Row]:
    return [Row(f"{what}, p{at}", float(np.percentile(milliseconds, at)), "ms") for at in (50, 99)]


# --- vectors


def vector_rows(folder: Path, items: int, searches: int) -> list[Row]:
    random = np.random.default_rng(0)
    centres = random.normal(size=(GROUPS, 64))
    vectors = centres[random.integers(0, GROUPS, items)] + random.normal(size=(items, 64))
    vectors = vectors.astype(np.float32)
    queries = random.choice(items, searches, replace=False)
    ids = [f"i{number}" for number in range(items)]
    measured = {"ours, a usearch file": hnsw(folder, ids, vectors, queries)}
    try:
        with postgres_server() as url:
            measured["ours, pgvector"] = pgvector(url, ids, vectors, queries)
    except Absent as reason:
        print(f"pgvector was not measured: {reason}", file=sys.stderr)
    np.save(folder / "vectors.npy", vectors)
    options = {
        "queries": queries.tolist(),
        "expansion_add": EXPANSION_ADD,
        "expansion_search": EXPANSION_SEARCH,
    }
    measured["Milvus Lite"] = peer(
        "with_milvus", folder / "vectors.npy", json.dumps(options), package="milvus"
    )
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    measured["exact, NumPy"] = searched(
        lambda vector, k: np.argpartition(-(unit @ (vector / np.linalg.norm(vector))), k)[:k],
        vectors,
        queries,
    )
    rows = []
    for name, figures in measured.items():
        what = f"{items:,} vectors of 64, {name}"
        recall = share_found(np.array(figures["found"]), vectors[queries], vectors)
        if "build_seconds" in figures:
            rows.append(Row(f"{what}: build", figures["build_seconds"], "s"))
            rows.append(Row(f"{what}: size", figures["bytes"] / MB, "MB"))
        if "open_ms" in figures:
            rows.append(Row(f"{what}: open", figures["open_ms"], "ms"))
        rows += percentiles(f"{what}: search 10", figures["search_ms"])
        target = ">= 0.99" if name.startswith("ours") else None
        rows.append(Row(f"{what}: recall@10", recall, target=target))
    return rows


def hnsw(folder: Path, ids: list[str], vectors: np.ndarray, queries: np.ndarray) -> dict[str, Any]:
    started = time.perf_counter()
    HnswIndex.build(ids, vectors).save(folder)
    built = time.perf_counter() - started
    started = time.perf_counter()
    index = HnswIndex.open(folder)
    return {
        "build_seconds": built,
        "open_ms": 1000 * (time.perf_counter() - started),
        "bytes": sum(
            (folder / name).stat().st_size for name in ("items.usearch", "item_ids.parquet")
        ),
        **searched(index.rows, vectors, queries),
    }


def pgvector(url: str, ids: list[str], vectors: np.ndarray, queries: np.ndarray) -> dict[str, Any]:
    started = time.perf_counter()
    index = PgvectorIndex.build(url, "context", ids, vectors)
    built = time.perf_counter() - started
    found = searched(index.rows, vectors, queries)
    with pgvector_index._alone(url) as connection:
        query = "SELECT pg_total_relation_size('penchant_vectors.context')"
        size = connection.execute(query).fetchone()[0]
    pgvector_index.close(url)
    return {"build_seconds": built, "bytes": size, **found}


def searched(
    rows: Callable[[np.ndarray, int], np.ndarray], vectors: np.ndarray, queries: np.ndarray
) -> dict[str, Any]:
    """Milliseconds and result of each search, after one that is not counted."""
    rows(vectors[queries[0]], RECALL_AT)
    taken, found = timed_calls(lambda query: rows(vectors[query], RECALL_AT), queries)
    return {"search_ms": taken, "found": found}
