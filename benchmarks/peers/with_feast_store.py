"""feast: one online store under one ``FeatureStore``; how long it takes to write and to read.

Run as ``PYTHON with_feast_store.py FILE ONLINE_STORE SETTINGS``. FILE is a Parquet of ``user_id``,
``at`` and features; ONLINE_STORE and SETTINGS are JSON. The last line printed is JSON: seconds of
writing all rows, and milliseconds of each read of 1 and of 100 rows. Rows read are compared with
those written. Only Feast and pandas are imported, so each store may have its own environment.
"""

import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, Int64, String

TYPES = {"float64": Float64, "int64": Int64}


def main() -> None:
    file, online_store, settings = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
    rows = pd.read_parquet(file)
    names = [name for name in rows.columns if name not in ("user_id", "at")]
    with tempfile.TemporaryDirectory() as folder:
        writer = opened(Path(folder), online_store | settings["to_write"])
        declare(writer, file, rows, names)
        started = time.perf_counter()
        writer.write_to_online_store("statistics", df=rows)
        seconds = time.perf_counter() - started
        service = opened(Path(folder), online_store)
        times = {
            str(count): read(service, rows, names, count, settings["reads"]) for count in (1, 100)
        }
    print(json.dumps({"write_seconds": seconds, "read_ms": times}), flush=True)


def opened(folder: Path, online_store: dict[str, Any]) -> FeatureStore:
    config = RepoConfig(
        project="context",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store=online_store,
        entity_key_serialization_version=3,
    )
    return FeatureStore(config=config)


def declare(store: FeatureStore, file: str, rows: pd.DataFrame, names: list[str]) -> None:
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
    fields = [Field(name=name, dtype=TYPES.get(str(rows[name].dtype), String)) for name in names]
    view = FeatureView(
        name="statistics",
        entities=[user],
        schema=[Field(name="user_id", dtype=String), *fields],
        source=FileSource(path=file, timestamp_field="at"),
        online=True,
    )
    store.apply([user, view])


def read(
    store: FeatureStore, rows: pd.DataFrame, names: list[str], count: int, reads: int
) -> list[float]:
    """Milliseconds of each of ``reads``, after some that are not counted."""
    chance, taken = random.Random(count), []
    refs = [f"statistics:{name}" for name in names]
    by_user = rows.set_index("user_id")
    for number in range(reads + reads // 10):
        users = chance.sample(list(by_user.index[:2000]), count)
        entities = [{"user_id": user} for user in users]
        started = time.perf_counter()
        response = store.get_online_features(features=refs, entity_rows=entities).to_dict()
        if number >= reads // 10:
            taken.append(1000 * (time.perf_counter() - started))
        wanted = by_user.loc[users]
        for name in names:
            if response[name] != wanted[name].tolist():
                raise ValueError(f"{name} reads back different from what was written")
    return taken


if __name__ == "__main__":
    main()
