"""Write a synthetic shop of any size as the stages before ``publish`` would.

Vectors lie in clusters of unequal size, as learned vectors do: one for 500 items, their sizes
Pareto-distributed, with noise of 0.7 of a centre's deviation in each dimension.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from penchant.artifacts import MartDescription, ModelSelection, RunRecord, SnapshotDescription
from penchant.encryption import parquet as pq
from penchant.feast_sdk import (
    Array,
    Entity,
    FeatureView,
    Field,
    FileSource,
    Float64,
    String,
    ValueType,
)
from penchant.features.online_store import WideSqliteOnlineStore
from penchant.features.repository import open_store
from penchant.settings import Settings
from penchant.vectors import FloatArray
from tests.records import model_selection, run_record

AS_OF = datetime(2018, 1, 2)
DIMENSIONS = 64
USERS = 1000
LIST_LENGTH, BOUGHT, PRIOR = 100, 10, 1000  # items of a user's list, of a history, of the prior
TYPES: dict[pa.DataType, Any] = {
    pa.string(): String,
    pa.float64(): Float64,
    pa.list_(pa.string()): Array(String),
    pa.list_(pa.float64()): Array(Float64),
}


def snapshot_id(number: int) -> str:
    return f"s-20180102-{number:012x}"


SNAPSHOT = snapshot_id(1)


def clustered(items: int, seed: int = 0) -> FloatArray:
    """vectors_ID."""
    random = np.random.default_rng(seed)
    count = max(100, items // 500)
    centres_CD = random.normal(size=(count, DIMENSIONS)).astype(np.float32)
    cluster_I = np.minimum((random.pareto(1.2, items) * count / 20).astype(int), count - 1)
    noise_ID = random.standard_normal((items, DIMENSIONS), dtype=np.float32)
    return centres_CD[cluster_I] + np.float32(0.7) * noise_ID


def write_shop(
    settings: Settings, items: int, users: int = USERS, number: int = 1, bought: int = BOUGHT
) -> None:
    """Write marts, online features, a run and a model selection: ``publish`` may follow.

    Titles end with the ``number`` of the snapshot, and its scores lie between it and the next.
    ``bought``: purchases of each user.
    """
    snapshot, item_ids = snapshot_id(number), [f"i{at:07}" for at in range(items)]
    user_ids = [f"u{at:04}" for at in range(users)]
    marts = settings.snapshots / snapshot / "marts"
    marts.mkdir(parents=True)
    tables = _marts(item_ids, user_ids, number, bought)
    for name, table in tables.items():
        pq.write_table(table, marts / f"{name}.parquet")
    described = {
        name: MartDescription(rows=table.num_rows, content_hash="0")
        for name, table in tables.items()
    }
    description = SnapshotDescription(
        id=snapshot, as_of=AS_OF, sources=("benchmark",), marts=described
    )
    description.write(marts.parent / "snapshot.json")
    _write_features(settings, snapshot, tables)
    run_id = _write_run(settings.runs / snapshot, item_ids, user_ids, number)
    runs = {"retriever": run_id, "ranker": run_id, "prior": run_id}
    selection = model_selection(selection_id=f"{number:012x}", snapshot_id=snapshot, **runs)
    selection.write(ModelSelection.path(settings, snapshot))


def _marts(
    item_ids: list[str], user_ids: list[str], number: int, bought: int
) -> dict[str, pa.Table]:
    count, events = len(item_ids), len(user_ids) * bought
    random = np.random.default_rng(1)
    carts = [[item_ids[at] for at in random.integers(0, count, bought)] for _ in user_ids]
    first = AS_OF - timedelta(days=max(32, bought))
    days = [first + timedelta(days=day) for day in range(bought)]
    categories = {"category_1": 20, "category_2": 300, "category_3": 2000, "brand": 5000}
    tables = {
        "users": {"user_id": user_ids},
        "items": {
            "item_id": item_ids,
            "title": [f"Item {item_id} OF {number}" for item_id in item_ids],
            **{
                name: [f"{name} {at % most}" for at in range(count)]
                for name, most in categories.items()
            },
            "price": 1 + random.random(count),
        },
        "events": {
            "event_id": [f"e{at}" for at in range(events)],
            "user_id": [user for user in user_ids for _ in days],
            "session_id": [f"{user} {day}" for user in user_ids for day in range(bought)],
            "item_id": [item for cart in carts for item in cart],
            "event_type": ["purchase"] * events,
            "quantity": pa.array([1] * events, pa.int64()),
            "event_at": pa.array(days * len(user_ids), pa.timestamp("us")),
        },
        "sequences": {
            "user_id": user_ids,
            "item_ids": carts,
            "event_ats": pa.array([days] * len(user_ids), pa.list_(pa.timestamp("us"))),
            "weights": [[1.0] * bought] * len(user_ids),
            "event_types": [["purchase"] * bought] * len(user_ids),
            "target_event_type": ["purchase"] * len(user_ids),
        },
        "user_portrait": _portraits(user_ids),
    }
    return {name: pa.table(columns) for name, columns in tables.items()}


def _portraits(user_ids: list[str]) -> dict[str, Any]:
    numbers = ("weights", "lows", "highs", "half_lives", "trends", "evidence")
    count = len(user_ids)
    return {
        "user_id": user_ids,
        "feature_at": pa.array([AS_OF] * count, pa.timestamp("us")),
        "interests": [[f"category_1 {at % 20}"] for at in range(count)],
        **{f"interest_{name}": [[0.5]] * count for name in numbers},
        "evidence": [10.0] * count,
        "price_band": ["standard"] * count,
        "brand_loyalty": [0.5] * count,
        "lifecycle_stage": ["active"] * count,
    }


def _write_features(settings: Settings, snapshot: str, tables: dict[str, pa.Table]) -> None:
    """Write the views that responses are made of online, as ``materialize`` does."""
    repository = settings.online / snapshot
    repository.mkdir(parents=True)
    store = open_store(settings, snapshot, repository, read_only=False)
    now = pa.repeat(pa.scalar(AS_OF, pa.timestamp("us")), tables["items"].num_rows)
    online_store = store._get_provider().online_store
    assert isinstance(online_store, WideSqliteOnlineStore)
    for name, view_name, table in (
        ("item", "item_profile", tables["items"].append_column("feature_at", now)),
        ("user", "user_portrait", tables["user_portrait"]),
    ):
        entity = Entity(name=name, join_keys=[f"{name}_id"], value_type=ValueType.STRING)
        file = settings.snapshots / snapshot / "marts" / f"{view_name}.parquet"
        columns = [each for each in table.schema if each.name != "feature_at"]
        view = FeatureView(
            name=view_name,
            entities=[entity],
            schema=[Field(name=each.name, dtype=TYPES[each.type]) for each in columns],
            source=FileSource(path=str(file), timestamp_field="feature_at"),
        )
        store.apply([entity, view])
        online_store.write_table(store.config, store.get_feature_view(view_name), table)
    online_store.disconnect()
    settings.live_features.flip(snapshot)


def _write_run(runs: Path, item_ids: list[str], user_ids: list[str], number: int) -> str:
    """Write one run that is retriever, ranker and prior; return its id."""
    run_id = f"matrix_factorization-{number:012x}"
    run = runs / run_id
    run.mkdir(parents=True)
    random = np.random.default_rng(2)
    items_ID = clustered(len(item_ids))
    users_UD = items_ID[random.integers(0, len(item_ids), len(user_ids))]
    for key, ids, vectors in (("item", item_ids, items_ID), ("user", user_ids, users_UD)):
        lists = pa.FixedSizeListArray.from_arrays(vectors.ravel(), DIMENSIONS)
        table = pa.table({f"{key}_id": ids, "vector": lists.cast(pa.list_(pa.float32()))})
        pq.write_table(table, run / f"{key}_vectors.parquet")
    drawn = random.integers(0, len(item_ids), (len(user_ids), LIST_LENGTH))
    scores = number + np.linspace(1, 0, LIST_LENGTH, dtype=np.float32)
    ranked = {
        "user_id": user_ids,
        "item_ids": [[item_ids[at] for at in row] for row in drawn],
        "scores": [scores.tolist()] * len(user_ids),
    }
    pq.write_table(pa.table(ranked), run / "ranked_lists.parquet")
    scores = number + np.linspace(1, 0, len(item_ids), dtype=np.float32)
    prior = pa.table({"item_id": item_ids, "score": scores}).slice(0, PRIOR)
    pq.write_table(prior, run / "prior.parquet")
    record = run_record(
        run_id=run_id,
        family="matrix_factorization",
        snapshot_id=runs.name,
        capabilities=("ranks", "vectors"),
    )
    record.write(RunRecord.path(run))
    return run_id
