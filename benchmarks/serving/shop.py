"""A synthetic shop of any number of items, as the stages before ``publish`` leave one.

Vectors lie in clusters of unequal size, as those that a model learns do: one for 500 items, their
sizes Pareto-distributed, with noise of 0.7 of a centre's deviation in each dimension.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from penchant.artifacts import MartDescription, ModelSelection, RunRecord, SnapshotDescription
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

SNAPSHOT = "s-20180102-00000000000a"
AS_OF = datetime(2018, 1, 2)
DIMENSIONS = 64
USERS = 1000
LIST = 100
TYPES: dict[pa.DataType, Any] = {
    pa.string(): String,
    pa.float64(): Float64,
    pa.list_(pa.string()): Array(String),
    pa.list_(pa.float64()): Array(Float64),
}


def clustered(items: int, seed: int = 0) -> FloatArray:
    """vectors_ID."""
    random = np.random.default_rng(seed)
    count = max(100, items // 500)
    centres_CD = random.normal(size=(count, DIMENSIONS)).astype(np.float32)
    cluster_I = np.minimum((random.pareto(1.2, items) * count / 20).astype(int), count - 1)
    noise_ID = random.standard_normal((items, DIMENSIONS), dtype=np.float32)
    return centres_CD[cluster_I] + np.float32(0.7) * noise_ID


RUN = "matrix_factorization-00000000000a"


def lay(settings: Settings, items: int) -> None:
    """Marts, online features, runs and a choice, in an empty home: ``publish`` may follow."""
    item_ids, user_ids = [f"i{at:07}" for at in range(items)], [f"u{at:04}" for at in range(USERS)]
    marts = settings.snapshots / SNAPSHOT / "marts"
    marts.mkdir(parents=True)
    tables = _marts(item_ids, user_ids)
    for name, table in tables.items():
        pq.write_table(table, marts / f"{name}.parquet")
    description = SnapshotDescription(
        id=SNAPSHOT,
        as_of=AS_OF,
        sources=("benchmark",),
        marts={
            name: MartDescription(rows=table.num_rows, content_hash="0")
            for name, table in tables.items()
        },
    )
    description.write(marts.parent / "snapshot.json")
    _features(settings, tables)
    _runs(settings.runs / SNAPSHOT, item_ids, user_ids)
    _select(settings)


def _marts(item_ids: list[str], user_ids: list[str]) -> dict[str, pa.Table]:
    count, bought = len(item_ids), range(10)
    random = np.random.default_rng(1)
    carts = [[item_ids[at] for at in random.integers(0, count, len(bought))] for _ in user_ids]
    days = [datetime(2017, 12, 1 + day) for day in bought]
    items = pa.table(
        {
            "item_id": item_ids,
            "title": [f"Item {item_id}" for item_id in item_ids],
            "category_1": [f"department {at % 20}" for at in range(count)],
            "category_2": [f"aisle {at % 300}" for at in range(count)],
            "category_3": [f"shelf {at % 2000}" for at in range(count)],
            "brand": [f"brand {at % 5000}" for at in range(count)],
            "price": 1 + random.random(count),
        }
    )
    events = pa.table(
        {
            "event_id": [f"e{at}" for at in range(len(user_ids) * len(bought))],
            "user_id": [user for user in user_ids for _ in bought],
            "session_id": [f"{user} {day}" for user in user_ids for day in bought],
            "item_id": [item for cart in carts for item in cart],
            "event_type": ["purchase"] * (len(user_ids) * len(bought)),
            "quantity": pa.array([1] * (len(user_ids) * len(bought)), pa.int64()),
            "event_at": pa.array(days * len(user_ids), pa.timestamp("us")),
        }
    )
    sequences = pa.table(
        {
            "user_id": user_ids,
            "item_ids": carts,
            "event_ats": pa.array([days] * len(user_ids), pa.list_(pa.timestamp("us"))),
            "weights": [[1.0] * len(bought)] * len(user_ids),
        }
    )
    return {
        "users": pa.table({"user_id": user_ids}),
        "items": items,
        "events": events,
        "sequences": sequences,
        "user_portrait": _portraits(user_ids),
    }


def _portraits(user_ids: list[str]) -> pa.Table:
    numbers = ("weights", "lows", "highs", "half_lives", "trends", "evidence")
    every = len(user_ids)
    return pa.table(
        {
            "user_id": user_ids,
            "feature_at": pa.array([AS_OF] * every, pa.timestamp("us")),
            "interests": [[f"department {at % 20}"] for at in range(every)],
            **{f"interest_{name}": [[0.5]] * every for name in numbers},
            "evidence": [10.0] * every,
            "price_band": ["standard"] * every,
            "brand_loyalty": [0.5] * every,
            "lifecycle_stage": ["active"] * every,
        }
    )


def _features(settings: Settings, tables: dict[str, pa.Table]) -> None:
    """The views that answers are made of, online as ``materialize`` leaves them."""
    repository = settings.online / SNAPSHOT
    repository.mkdir(parents=True)
    store = open_store(settings, SNAPSHOT, repository, read_only=False)
    now = pa.repeat(pa.scalar(AS_OF, pa.timestamp("us")), tables["items"].num_rows)
    made = (
        ("item", "item_profile", tables["items"].append_column("feature_at", now)),
        ("user", "user_portrait", tables["user_portrait"]),
    )
    online_store = store._get_provider().online_store
    assert isinstance(online_store, WideSqliteOnlineStore)
    for entity_name, name, table in made:
        key = f"{entity_name}_id"
        entity = Entity(name=entity_name, join_keys=[key], value_type=ValueType.STRING)
        file = settings.snapshots / SNAPSHOT / "marts" / f"{name}.parquet"
        view = FeatureView(
            name=name,
            entities=[entity],
            schema=[
                Field(name=each.name, dtype=TYPES[each.type])
                for each in table.schema
                if each.name != "feature_at"
            ],
            source=FileSource(path=str(file), timestamp_field="feature_at"),
        )
        store.apply([entity, view])
        online_store.write_table(store.config, store.get_feature_view(name), table)
    online_store.disconnect()
    settings.live_features.flip(SNAPSHOT)


def _runs(runs: Path, item_ids: list[str], user_ids: list[str]) -> None:
    """One run that is retriever, ranker and prior."""
    run = runs / RUN
    run.mkdir(parents=True)
    random = np.random.default_rng(2)
    items_ID = clustered(len(item_ids))
    users_UD = items_ID[random.integers(0, len(item_ids), len(user_ids))]
    for key, ids, vectors in (("item", item_ids, items_ID), ("user", user_ids, users_UD)):
        lists = pa.FixedSizeListArray.from_arrays(vectors.ravel(), DIMENSIONS)
        table = pa.table({f"{key}_id": ids, "vector": lists.cast(pa.list_(pa.float32()))})
        pq.write_table(table, run / f"{key}_vectors.parquet")
    drawn = random.integers(0, len(item_ids), (len(user_ids), LIST))
    lists = {
        "user_id": user_ids,
        "item_ids": [[item_ids[at] for at in row] for row in drawn],
        "scores": [np.linspace(1, 0, LIST, dtype=np.float32).tolist()] * len(user_ids),
    }
    pq.write_table(pa.table(lists), run / "ranked_lists.parquet")
    scores = np.linspace(1, 0, len(item_ids), dtype=np.float32)
    prior = pa.table({"item_id": item_ids, "score": scores}).slice(0, 1000)
    pq.write_table(prior, run / "prior.parquet")
    record = RunRecord(
        run_id=RUN,
        family="matrix_factorization",
        snapshot_id=SNAPSHOT,
        config={},
        tuned={},
        seed=0,
        code_version="0",
        capabilities=("ranks", "vectors"),
        parameters=0,
        device="cpu",
        threads=1,
        curve=(),
        fit_seconds=0,
        users_evaluated=0,
        scoring_ms_per_user=0,
        metrics={},
        validation_metrics={},
        beyond_accuracy={},
        tasks={},
        headline="",
        seconds=0,
        peak_memory_bytes=0,
    )
    record.write(RunRecord.path(run))


def _select(settings: Settings) -> None:
    selection = ModelSelection(
        selection_id="00000000000a",
        snapshot_id=SNAPSHOT,
        retriever=RUN,
        ranker=RUN,
        prior=RUN,
        reasons=(),
        failures={},
        leaderboard=(),
    )
    selection.write(ModelSelection.path(settings, SNAPSHOT))
