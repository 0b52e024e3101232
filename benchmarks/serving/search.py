"""Nearest ten of 100,000 vectors: our IVF index beside usearch and Faiss, at equal recall."""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from usearch.index import Index

from benchmarks.serving.shop import clustered
from benchmarks.training import PEERS, ROOT, environment
from penchant.releases.hnsw_index import exact_last, unit
from penchant.releases.ivf_index import IvfIndex
from penchant.settings import Settings
from penchant.vectors import FloatArray

TITLE = "Vector search"
ITEMS, QUERIES, K = 100_000, 500, 10
GOOD = 0.99
EXPANSIONS = (64, 128, 256, 512, 1024)
FAISS = ("flat", "hnsw", "ivf")


def measure(settings: Settings) -> dict[str, Any]:
    drawn = unit(clustered(ITEMS + QUERIES))
    vectors_ID, queries_QD = drawn[:ITEMS], drawn[ITEMS:]  # no query is an item's own vector
    with threadpool_limits(1):
        last_Q = exact_last(queries_QD, vectors_ID, K)
        rows = [_ivf(vectors_ID, queries_QD, last_Q), _usearch(vectors_ID, queries_QD, last_Q)]
    rows += _faiss(vectors_ID, queries_QD)
    return {"rows": rows, "items": ITEMS, "queries": QUERIES}


def page(figures: dict[str, Any]) -> str:
    ours = figures["rows"][0]["recall"]
    lines = [
        f"{figures['items']:,} clustered vectors of 64 dimensions, {figures['queries']} queries "
        f"one by one, one thread, no HTTP. Each with the least effort that finds {GOOD:.0%} of the "
        "exact nearest ten; ours with the effort that it chose itself. Publishing builds an IVF "
        "index for more than 50,000 items, usearch's graph below.",
        "",
        "| index | recall@10 | p50, ms | p99, ms | build, s | effort |",
        "|---|---|---|---|---|---|",
    ]
    for row in figures["rows"]:
        lines.append(
            f"| {row['what']} | {row['recall']:.4f} | {row['p50']:.2f} | {row['p99']:.2f} | "
            f"{row['build_seconds']:.1f} | {row['effort']} |"
        )
    missed = "" if ours >= GOOD else ", missed"
    return "\n".join([*lines, "", f"Recall@10 of ours: {ours:.4f} (aim: at least {GOOD}{missed})."])


def _ivf(vectors_ID: FloatArray, queries_QD: FloatArray, last_Q: FloatArray) -> dict[str, Any]:
    ids = [str(at) for at in range(len(vectors_ID))]
    begun = time.perf_counter()
    ivf = IvfIndex.build(ids, vectors_ID, vectors_ID[:: ITEMS // QUERIES])
    seconds = time.perf_counter() - begun
    found = _searched(lambda query: ivf.rows(query, K), vectors_ID, queries_QD, last_Q)
    effort = f"{ivf.nprobe} of {len(ivf.centroids_LD)} lists"
    return {"what": "ours: IVF", "build_seconds": seconds, "effort": effort, **found}


def _usearch(vectors_ID: FloatArray, queries_QD: FloatArray, last_Q: FloatArray) -> dict[str, Any]:
    index = Index(ndim=vectors_ID.shape[1], metric="cos", dtype="f32", expansion_add=128)
    begun = time.perf_counter()
    index.add(np.arange(len(vectors_ID), dtype=np.uint64), vectors_ID, threads=1)
    seconds = time.perf_counter() - begun

    def rows(query: FloatArray) -> Any:
        return np.asarray(index.search(query, K).keys).astype(np.int64)

    for expansion in EXPANSIONS:
        index.expansion_search = expansion
        found = _searched(rows, vectors_ID, queries_QD, last_Q)
        if found["recall"] >= GOOD:
            break
    effort = f"{expansion} candidates"
    return {"what": "usearch: HNSW", "build_seconds": seconds, "effort": effort, **found}


def _searched(
    rows: Callable[[FloatArray], Any],
    vectors_ID: FloatArray,
    queries_QD: FloatArray,
    last_Q: FloatArray,
) -> dict[str, float]:
    milliseconds, near = [], 0
    for query, last in zip(queries_QD, last_Q, strict=True):
        begun = time.perf_counter()
        found = rows(query)
        milliseconds.append(1000 * (time.perf_counter() - begun))
        near += int((vectors_ID[found] @ query >= last - 1e-6).sum())
    percentiles = {f"p{at}": float(np.percentile(milliseconds, at)) for at in (50, 99)}
    return {"recall": near / (K * len(queries_QD)), **percentiles}


def _faiss(vectors_ID: FloatArray, queries_QD: FloatArray) -> list[dict[str, Any]]:
    python = environment("faiss", ROOT / ".peers")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("vectors.npy", "queries.npy")]
        for file, array in zip(files, (vectors_ID, queries_QD), strict=True):
            np.save(file, array)
        for kind in FAISS:
            command = [python, PEERS / "with_faiss.py", kind, *files, GOOD]
            done = subprocess.run([str(each) for each in command], check=True, capture_output=True)
            found = json.loads(done.stdout.splitlines()[-1])
            rows.append({"what": f"{found.pop('package')}: {kind}", **found})
    return rows
