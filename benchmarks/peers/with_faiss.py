"""Faiss over vectors in a file: ``PYTHON with_faiss.py KIND VECTORS QUERIES GOOD``.

KIND is ``flat``, ``hnsw`` or ``ivf``. VECTORS and QUERIES are .npy of float32 at length 1. Prints
one JSON line: the figures of the least effort that finds GOOD of the exact nearest ten, else of the
most that is tried. One thread.
"""

import json
import sys
import time
from importlib.metadata import version

import faiss
import numpy as np

K = 10
EFFORTS = {"flat": (0,), "hnsw": (32, 64, 128, 256, 512, 1024), "ivf": (4, 8, 16, 32, 64, 128, 256)}


def main() -> None:
    kind, vectors_file, queries_file, good = sys.argv[1:]
    vectors, queries = np.load(vectors_file), np.load(queries_file)
    faiss.omp_set_num_threads(1)
    started = time.perf_counter()
    index = built(kind, vectors)
    build_seconds = time.perf_counter() - started
    exact = faiss.IndexFlatIP(vectors.shape[1])
    exact.add(vectors)
    last = np.concatenate([exact.search(query[None], K)[0][:, -1] for query in queries])
    for effort in EFFORTS[kind]:
        if kind == "hnsw":
            index.hnsw.efSearch = effort
        elif kind == "ivf":
            index.nprobe = effort
        milliseconds, found = [], 0
        for query, least in zip(queries, last, strict=True):
            started = time.perf_counter()
            near, _ = index.search(query[None], K)
            milliseconds.append(1000 * (time.perf_counter() - started))
            found += int((near[0] >= least - 1e-6).sum())
        recall = found / (K * len(queries))
        if recall >= float(good):
            break
    figures = {
        "package": f"faiss-cpu {version('faiss-cpu')}",
        "build_seconds": build_seconds,
        "recall": recall,
        "effort": effort,
        **{f"p{at}": float(np.percentile(milliseconds, at)) for at in (50, 99)},
    }
    print(json.dumps(figures))


def built(kind: str, vectors: np.ndarray) -> faiss.Index:
    dimensions = vectors.shape[1]
    if kind == "flat":
        index = faiss.IndexFlatIP(dimensions)
    elif kind == "hnsw":
        index = faiss.IndexHNSWFlat(dimensions, 16, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 128
    else:
        cells = int(2 * len(vectors) ** 0.5)
        index = faiss.index_factory(dimensions, f"IVF{cells},Flat", faiss.METRIC_INNER_PRODUCT)
        index.train(vectors)
    index.add(vectors)
    return index


if __name__ == "__main__":
    main()
