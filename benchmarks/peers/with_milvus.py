"""milvus: Milvus Lite, embedded; build and search time of its HNSW index.

Run as ``PYTHON with_milvus.py FILE SETTINGS``. FILE is a NumPy file of vectors. The last line
printed is JSON: seconds of building, milliseconds of each search, the ids found, bytes on disk.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from pymilvus import DataType, MilvusClient

ROWS_A_WRITE = 5000


def main() -> None:
    vectors, settings = np.load(sys.argv[1]), json.loads(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.db"
        client = MilvusClient(uri=str(path))
        schema = client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=vectors.shape[1])
        index = client.prepare_index_params()
        index.add_index(
            "vector",
            index_type="HNSW",
            metric_type="COSINE",
            params={"M": 16, "efConstruction": settings["expansion_add"]},
        )
        started = time.perf_counter()
        client.create_collection("items", schema=schema, index_params=index)
        for first in range(0, len(vectors), ROWS_A_WRITE):
            some = vectors[first : first + ROWS_A_WRITE]
            client.insert(
                "items",
                [{"id": first + at, "vector": vector} for at, vector in enumerate(some.tolist())],
            )
        client.flush("items")
        client.load_collection("items")
        seconds = time.perf_counter() - started
        taken, found = [], []
        for query in settings["queries"]:
            started = time.perf_counter()
            (near,) = client.search(
                "items",
                data=[vectors[query].tolist()],
                limit=10,
                search_params={"params": {"ef": settings["expansion_search"]}},
            )
            taken.append(1000 * (time.perf_counter() - started))
            found.append([each["id"] for each in near])
        size = sum(each.stat().st_size for each in Path(folder).rglob("*") if each.is_file())
    print(json.dumps({"build_seconds": seconds, "search_ms": taken, "found": found, "bytes": size}))


if __name__ == "__main__":
    main()
