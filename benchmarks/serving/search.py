"""Nearest ten of 100,000 vectors: our IVF index beside usearch and Faiss, at equal recall."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from usearch.index import Index

from benchmarks.processes import peer
from benchmarks.rows import grid
from benchmarks.serving.load import timed_calls
from benchmarks.synthetic_shop import clustered
from penchant.releases.hnsw_index import exact_last, unit
from penchant.releases.ivf_index import IvfIndex
from penchant.settings import Settings
from penchant.vectors import FloatArray

TITLE = "Vector search"
ITEMS, QUERIES, K = 100_000, 500, 10
RECALL = 0.99
EXPANSIONS = (64, 128, 256, 512, 1024)
FAISS = ("flat", "hnsw", "ivf")


def measure(settings: Settings) -> dict[str, Any]:
    drawn = unit(clustered(ITEMS + QUERIES))
    vectors_ID, queries_QD = drawn[:ITEMS], drawn[ITEMS:]  # no query is an item's own vector
    with threadpool_limits(1):
        last_Q = exact_last(queries_QD, vectors_ID, K)
        rows = [index(vectors_ID, queries_QD, last_Q) for index in (_ivf, _usearch)]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("vectors.npy", "queries.npy")]
        for file, array in zip(files, (vectors_ID, queries_QD), strict=True):
            np.save(file, array)
        for kind in FAISS:
            found = peer("with_faiss", kind, *files, RECALL, package="faiss")
            rows.append({"what": f"{found.pop('package')}: {kind}", **found})
    return {"rows": rows, "items": ITEMS, "queries": QUERIES}


def page(figures: dict[str, Any]) -> str:
    ours = figures["rows"][0]["recall"]
    head = ["index", "recall@10", "p50, ms", "p99, ms", "build, s", "effort"]
    rows = [
        [
            row["what"],
            f"{row['recall']:.4f}",
            *(f"{row[name]:.2f}" for name in ("p50", "p99")),
            f"{row['build_seconds']:.1f}",
            row["effort"],
        ]
        for row in figures["rows"]
    ]
    missed = "" if ours >= RECALL else ", missed"
    return "\n\n".join(
        [
            f"{figures['items']:,} clustered vectors of 64 dimensions, {figures['queries']} "
            "queries one by one, one thread, no HTTP. Each index runs with the least effort that "
            f"finds {RECALL:.0%} of the exact nearest ten; ours sets its effort itself. `publish` "
            "builds an IVF index above 50,000 items and usearch's HNSW below.",
            grid(head, rows),
            f"Recall@10 of ours: {ours:.4f} (target: at least {RECALL}{missed}).",
        ]
    )


def _ivf(vectors_ID: FloatArray, queries_QD: FloatArray, last_Q: FloatArray) -> dict[str, Any]:
    ids = [str(at) for at in range(len(vectors_ID))]
    started = time.perf_counter()
    index = IvfIndex.build(ids, vectors_ID, vectors_ID[:: ITEMS // QUERIES])
    seconds = time.perf_counter() - started
    found = _searched(lambda query: index.rows(query, K), vectors_ID, queries_QD, last_Q)
    effort = f"{index.nprobe} of {len(index.centroids_LD)} lists"
    return {"what": "ours: IVF", "build_seconds": seconds, "effort": effort, **found}


def _usearch(vectors_ID: FloatArray, queries_QD: FloatArray, last_Q: FloatArray) -> dict[str, Any]:
    index = Index(ndim=vectors_ID.shape[1], metric="cos", dtype="f32", expansion_add=128)
    started = time.perf_counter()
    index.add(np.arange(len(vectors_ID), dtype=np.uint64), vectors_ID, threads=1)
    seconds = time.perf_counter() - started

    def rows(query: FloatArray) -> Any:
        return np.asarray(index.search(query, K).keys).astype(np.int64)

    for expansion in EXPANSIONS:
        index.expansion_search = expansion
        found = _searched(rows, vectors_ID, queries_QD, last_Q)
        if found["recall"] >= RECALL:
            break
    effort = f"{expansion} candidates"
    return {"what": "usearch: HNSW", "build_seconds": seconds, "effort": effort, **found}


def _searched(
    rows: Callable[[FloatArray], Any],
    vectors_ID: FloatArray,
    queries_QD: FloatArray,
    last_Q: FloatArray,
) -> dict[str, float]:
    milliseconds, found = timed_calls(rows, queries_QD)
    near = sum(
        int((vectors_ID[ids] @ query >= last - 1e-6).sum())
        for ids, query, last in zip(found, queries_QD, last_Q, strict=True)
    )
    percentiles = {f"p{at}": float(np.percentile(milliseconds, at)) for at in (50, 99)}
    return {"recall": near / (K * len(queries_QD)), **percentiles}
