"""Which store for features and for vectors: what each takes to write and to read, and its size.

Every feature store is read through Feast, in a process of its own,
with the same rows; every index of vectors has the same vectors and keeps as many candidates. Redis
and Postgres run on loopback for the time of the measurement. Milvus Lite has a virtual environment
of its own, made on first use under ``--venvs``. Prints a table and writes
benchmarks/out/stores.json.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.rows import Row, table
from benchmarks.training import PEERS, ROOT, environment
from penchant.releases import pgvector_index as nearest_postgres
from penchant.releases.hnsw_index import EXPANSION_SEARCH, RECALL_AT, HnswIndex, share_found
from penchant.releases.pgvector_index import EXPANSION_ADD, PgvectorIndex
from penchant.settings import Settings
from tests.serving.store_servers import Absent, postgres_server, redis_server

TITLE = "Feature and vector stores"
OURS = "penchant.features.online_store.WideSqliteOnlineStore"
GROUPS = 200  # that items' vectors crowd around, as those of a trained model do
MB = 1e6


def measure(
    settings: Settings,
    *,
    users: int = 20_000,
    reads: int = 500,
    items: int = 30_000,
    searches: int = 500,
    venvs: str = str(ROOT / ".peers"),
) -> dict[str, Any]:
    """``reads`` of one row and of 100 rows; ``venvs``: folder of the peers' environments."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            *feature_rows(Path(folder), users, reads, Path(venvs).resolve()),
            *vector_rows(Path(folder), items, searches, Path(venvs).resolve()),
        ]
    return {"rows": [row.as_dict() for row in rows]}


def page(figures: dict[str, Any]) -> str:
    return table(figures["rows"])


# --- features


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


@contextmanager
def feature_stores(
    folder: Path, venvs: Path
) -> Iterator[dict[str, tuple[Path, dict[str, Any], dict[str, Any], Callable[[], float]]]]:
    """By name: the Python to run, the store's configuration, what of it differs while it is
    written, and its size in MB afterwards."""
    from redis import Redis

    def of(path: Path) -> Callable[[], float]:
        return lambda: sum(f.stat().st_size for f in folder.rglob("*") if within(f, path)) / MB

    def within(file: Path, path: Path) -> bool:
        return file.is_file() and (file == path or path in file.parents)

    here = Path(sys.executable)
    wide, plain, milvus = (folder / f"{name}.db" for name in ("wide", "plain", "milvus"))
    with redis_server() as where:
        redis = Redis(port=int(where.rpartition(":")[2]))
        yield {
            "ours, SQLite": (
                here,
                {"type": OURS, "path": str(wide)},
                {"read_only": False},
                of(wide),
            ),
            "Feast's SQLite": (here, {"type": "sqlite", "path": str(plain)}, {}, of(plain)),
            "Redis": (
                here,
                {"type": "redis", "connection_string": where},
                {},
                lambda: redis.info("memory")["used_memory_dataset"] / MB,
            ),
            "Milvus Lite": (
                environment("milvus", venvs),
                {"type": "milvus", "path": str(milvus), "embedding_dim": 2},
                {},
                of(milvus),
            ),
        }


def feature_rows(folder: Path, users: int, reads: int, venvs: Path) -> list[Row]:
    file = folder / "statistics.parquet"
    statistics(users).to_parquet(file, coerce_timestamps="us")
    rows = []
    with feature_stores(folder, venvs) as stores:
        for name, (python, store, to_write, size) in stores.items():
            settings = json.dumps({"reads": reads, "to_write": to_write})
            measured = run(python, "with_feast_store.py", file, json.dumps(store), settings)
            what = f"{users:,} rows of 10 features, {name}"
            rows += [
                Row(f"{what}: write", measured["write_seconds"], "s"),
                Row(f"{what}: size", size(), "MB"),
                *(
                    Row(f"{what}: read {count}, p{at}", float(np.percentile(times, at)), "ms")
                    for count, times in measured["read_ms"].items()
                    for at in (50, 99)
                ),
            ]
    return rows


def run(python: Path, script: str, *arguments: Any) -> Any:
    """What a peer's script prints last."""
    command = [python, PEERS / script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{script} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


# --- vectors


def vector_rows(folder: Path, items: int, searches: int, venvs: Path) -> list[Row]:
    random = np.random.default_rng(0)
    centres = random.normal(size=(GROUPS, 64))
    vectors = centres[random.integers(0, GROUPS, items)] + random.normal(size=(items, 64))
    vectors = vectors.astype(np.float32)
    queries = random.choice(items, searches, replace=False)
    ids = [f"i{number}" for number in range(items)]
    measured: dict[str, dict[str, Any]] = {}

    started = time.perf_counter()
    HnswIndex.build(ids, vectors).save(folder)
    built = time.perf_counter() - started
    started = time.perf_counter()
    nearest = HnswIndex.open(folder)
    size = sum((folder / name).stat().st_size for name in ("items.usearch", "item_ids.parquet"))
    measured["ours, a usearch file"] = {
        "build_seconds": built,
        "open_ms": 1000 * (time.perf_counter() - started),
        "bytes": size,
        **searched(nearest.rows, vectors, queries),
    }
    try:
        with postgres_server() as url:
            started = time.perf_counter()
            there = PgvectorIndex.build(url, "context", ids, vectors)
            built = time.perf_counter() - started
            found = searched(there.rows, vectors, queries)
            with nearest_postgres._alone(url) as connection:
                query = "SELECT pg_total_relation_size('penchant_vectors.context')"
                size = connection.execute(query).fetchone()[0]
            measured["ours, pgvector"] = {"build_seconds": built, "bytes": size, **found}
            nearest_postgres.close(url)
    except Absent as reason:
        print(f"pgvector was not measured: {reason}", file=sys.stderr)
    np.save(folder / "vectors.npy", vectors)
    settings = {
        "queries": queries.tolist(),
        "expansion_add": EXPANSION_ADD,
        "expansion_search": EXPANSION_SEARCH,
    }
    script = ("with_milvus.py", folder / "vectors.npy", json.dumps(settings))
    measured["Milvus Lite"] = run(environment("milvus", venvs), *script)
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
        rows += [
            Row(f"{what}: search 10, p{at}", float(np.percentile(figures["search_ms"], at)), "ms")
            for at in (50, 99)
        ]
        aim = ">= 0.99" if name.startswith("ours") else None
        rows.append(Row(f"{what}: recall@10", recall, "", target=aim))
    return rows


def searched(
    rows: Callable[[np.ndarray, int], np.ndarray], vectors: np.ndarray, queries: np.ndarray
) -> dict[str, Any]:
    """Milliseconds of each search, and what was found."""
    rows(vectors[queries[0]], RECALL_AT)
    taken, found = [], []
    for query in queries:
        started = time.perf_counter()
        found.append(rows(vectors[query], RECALL_AT))
        taken.append(1000 * (time.perf_counter() - started))
    return {"search_ms": taken, "found": found}
