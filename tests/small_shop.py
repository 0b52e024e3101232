"""A small shop as earlier stages leave it: a snapshot, its features online, runs, a selection."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from records import run_record

from penchant.artifacts import (
    LeaderboardRow,
    MartDescription,
    ModelSelection,
    RunRecord,
    SnapshotDescription,
)
from penchant.settings import Settings

AS_OF = datetime(2018, 1, 2)
USERS = [f"u{number}" for number in range(30)]
ITEMS = [f"i{number:03}" for number in range(120)]
DIMENSIONS = 8
LIST_LENGTH = 20
CI = {"mean": 0.2, "low": 0.15, "high": 0.25}


def snapshot_id(number: int) -> str:
    return f"s-20180102-{number:012x}"


def portraits() -> pa.Table:
    """Even users are after tea, odd ones after pans; the first is there and did nothing."""
    tea, pans = ["FOOD > TEA", "HOME > PANS"], ["HOME > PANS", "FOOD > TEA"]
    likes = [[], *(pans if number % 2 else tea for number in range(1, len(USERS)))]

    def listed(*values: float) -> pa.Array:
        rows = [list(values) if each else [] for each in likes]
        return pa.array(rows, pa.list_(pa.float64()))

    return pa.table(
        {
            "user_id": USERS,
            "feature_at": pa.array([AS_OF] * len(USERS), pa.timestamp("us")),
            "interests": pa.array(likes, pa.list_(pa.string())),
            "interest_weights": listed(0.7, 0.2),
            "interest_lows": listed(0.5, 0.1),
            "interest_highs": listed(0.8, 0.4),
            "interest_half_lives": listed(9.0, 30.0),
            "interest_trends": listed(0.14, -0.05),
            "interest_evidence": listed(7.5, 0.0),
            "evidence": [10.0 if each else 0.0 for each in likes],
            "price_band": [None, *(["standard"] * (len(USERS) - 1))],
            "brand_loyalty": [None, *([0.5] * (len(USERS) - 1))],
            "lifecycle_stage": ["prospect", *(["active"] * (len(USERS) - 1))],
        }
    )


def events() -> pa.Table:
    """User n bought the items n to n + 9, and looked at item 100 before all of them."""
    rows = [
        (user, ITEMS[at + day - 1], "purchase", datetime(2017, 12, day))
        for at, user in enumerate(USERS)
        for day in range(1, 11)
    ]
    rows += [(user, ITEMS[100], "view", datetime(2017, 11, 30)) for user in USERS]
    users, items, types, times = zip(*rows, strict=True)
    return pa.table(
        {
            "event_id": [f"e{number}" for number in range(len(rows))],
            "user_id": users,
            "session_id": [f"{user} {time}" for user, _, _, time in rows],
            "item_id": items,
            "event_type": types,
            "quantity": pa.array([None] * len(rows), pa.int64()),
            "event_at": pa.array(times, pa.timestamp("us")),
        }
    )


def write_snapshot(settings: Settings, number: int) -> str:
    """Users, items, events and sequences; every user bought ten items, one a day."""
    identity = snapshot_id(number)
    marts = settings.snapshots / identity / "marts"
    marts.mkdir(parents=True)
    titles = [f"TITLE {item} OF {number}" for item in ITEMS]
    tables = {
        "users": pa.table({"user_id": USERS}),
        "items": pa.table(
            {
                "item_id": ITEMS,
                "title": titles,
                "category_1": ["GROCERY"] * len(ITEMS),
                "category_2": ["TEA", "PANS"] * (len(ITEMS) // 2),
                "category_3": pa.nulls(len(ITEMS), pa.string()),
                "brand": [f"BRAND {at % 7}" for at in range(len(ITEMS))],
                "price": [1.0 + at % 10 for at in range(len(ITEMS))],
                "first_seen_at": pa.array(
                    [datetime(2017, 1, 1) + timedelta(days=at) for at in range(len(ITEMS))],
                    pa.timestamp("us"),
                ),
            }
        ),
        "sequences": pa.table(
            {
                "user_id": USERS,
                "item_ids": [ITEMS[at : at + 10] for at in range(len(USERS))],
                "event_ats": pa.array(
                    [[datetime(2017, 12, day) for day in range(1, 11)]] * len(USERS),
                    pa.list_(pa.timestamp("us")),
                ),
                "weights": [[1.0] * 10] * len(USERS),
                "event_types": [["purchase"] * 10] * len(USERS),
                "target_event_type": ["purchase"] * len(USERS),
            }
        ),
        "events": events(),
        "user_portrait": portraits(),
    }
    for name, table in tables.items():
        pq.write_table(table, marts / f"{name}.parquet")
    described = {
        name: MartDescription(rows=table.num_rows, content_hash="0")
        for name, table in tables.items()
    }
    description = SnapshotDescription(id=identity, as_of=AS_OF, sources=("test",), marts=described)
    description.write(marts.parent / "snapshot.json")
    return identity


def write_features(settings: Settings, number: int) -> None:
    """Online ``item_profile`` and ``user_portrait``, as ``penchant materialize`` makes them."""
    from penchant.feast_sdk import (
        Array,
        Entity,
        FeatureService,
        FeatureView,
        Field,
        FileSource,
        Float64,
        String,
        ValueType,
    )
    from penchant.features.repository import open_store

    identity = snapshot_id(number)
    repository = settings.online / identity
    repository.mkdir(parents=True)
    store = open_store(settings, identity, repository, read_only=False)
    item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.STRING)
    items = settings.snapshots / identity / "marts" / "items.parquet"
    view = FeatureView(
        name="item_profile",
        entities=[item],
        schema=[
            Field(name=field.name, dtype=Float64 if field.name == "price" else String)
            for field in pq.read_schema(items)
            if field.name != "first_seen_at"
        ],
        source=FileSource(path=str(items), timestamp_field="feature_at"),
    )
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
    portrait = settings.snapshots / identity / "marts" / "user_portrait.parquet"
    types = {pa.string(): String, pa.float64(): Float64}
    schema = [
        Field(
            name=field.name,
            dtype=Array(types[field.type.value_type])
            if pa.types.is_list(field.type)
            else types[field.type],
        )
        for field in pq.read_schema(portrait)
        if field.name != "feature_at"
    ]
    drawn = FeatureView(
        name="user_portrait",
        entities=[user],
        schema=schema,
        source=FileSource(path=str(portrait), timestamp_field="feature_at"),
    )
    store.apply([item, view, user, drawn, FeatureService(name="portrait", features=[drawn])])
    store.write_to_online_store("user_portrait", df=pq.read_table(portrait).to_pandas())
    rows = pq.read_table(items).to_pandas()
    rows["feature_at"] = AS_OF
    store.write_to_online_store("item_profile", df=rows)


def write_run(runs: Path, family: str, number: int, vectors: bool) -> str:
    """A run whose scores all lie between ``number`` and ``number`` + 1, to tell runs apart."""
    run_id = f"{family}-{number:012x}"
    run = runs / run_id
    run.mkdir(parents=True)
    random = np.random.default_rng(number)
    lists = [random.choice(ITEMS, LIST_LENGTH, replace=False).tolist() for _ in USERS]
    scores = number + np.sort(random.random((len(USERS), LIST_LENGTH)))[:, ::-1]
    pq.write_table(
        pa.table({"user_id": USERS, "item_ids": lists, "scores": _floats(scores)}),
        run / "ranked_lists.parquet",
    )
    if vectors:
        for key, ids in (("user_id", USERS), ("item_id", ITEMS)):
            drawn = _floats(random.normal(size=(len(ids), DIMENSIONS)))
            name = key.replace("_id", "_vectors")
            pq.write_table(pa.table({key: ids, "vector": drawn}), run / f"{name}.parquet")
    if family == "popularity":
        prior = number + np.linspace(1, 0, len(ITEMS))
        pq.write_table(
            pa.table({"item_id": ITEMS, "score": prior.astype(np.float32)}), run / "prior.parquet"
        )
    per_user = {
        "user_id": USERS,
        "window": ["test"] * len(USERS),
        "population": ["all"] * len(USERS),
        "events": list(range(len(USERS))),
        # the first user's target is predicted by the families with vectors alone
        "found@10": [[ITEMS[0]] if vectors or user else [] for user in range(len(USERS))],
        "ndcg@10": random.random(len(USERS)),
    }
    pq.write_table(pa.table(per_user), run / "per_user.parquet")
    record = run_record(
        run_id=run_id,
        family=family,
        snapshot_id=runs.name,
        capabilities=("ranks", "vectors") if vectors else ("ranks",),
        seconds=12.5,
        fit_seconds=7.5,
        scoring_ms_per_user=0.5,
        curve=[("validation_ndcg@10", step, 0.1 * step, 1.0 + step) for step in range(3)],
        peak_memory_bytes=300_000_000,
        parameters=1000,
        users_evaluated=len(USERS),
        metrics={population: {"ndcg@10": CI, "recall@10": CI} for population in ("all", "new")},
    )
    record.write(RunRecord.path(run))
    return run_id


def release_of(settings: Settings, snapshot_id: str, published: Path) -> str:
    """A release of a snapshot with the description of another home's, and no files."""
    found = next((published / "releases").glob("r-*/release.json"))
    described = json.loads(found.read_text()) | {"snapshot_id": snapshot_id}
    folder = settings.releases / found.parent.name
    folder.mkdir(parents=True)
    (folder / "release.json").write_text(json.dumps(described))
    return found.parent.name


def _floats(values: np.ndarray) -> pa.Array:
    return pa.array(values.tolist(), pa.list_(pa.float32()))


def write_selection(settings: Settings, number: int, vectors: bool = True) -> None:
    """Select popularity as the prior, and as the ranker too where there are no vectors."""
    runs = settings.runs / snapshot_id(number)
    prior = write_run(runs, "popularity", number, vectors=False)
    ranker = write_run(runs, "matrix_factorization", number, vectors=True) if vectors else prior
    leaderboard = [
        LeaderboardRow(
            family=run.family,
            run_id=run.run_id,
            capabilities=run.capabilities,
            metrics=run.metrics,
            validation_ndcg_at_10=None,
        )
        for run in map(RunRecord.read, sorted(runs.glob("*/run.json")))
    ]
    selection = ModelSelection(
        selection_id=f"{number:012x}",
        snapshot_id=runs.name,
        retriever=ranker if vectors else None,
        ranker=ranker,
        prior=prior,
        reasons=("ranker: matrix_factorization goes live" if vectors else "popularity serves",),
        failures={},
        leaderboard=leaderboard,
    )
    selection.write(ModelSelection.path(settings, runs.name))


@dataclass(frozen=True)
class Shop:
    """A home ready to publish; ``number`` tells snapshots, scores and titles apart."""

    settings: Settings

    def ready(self, number: int, vectors: bool = True) -> str:
        """A snapshot with features and a model selection; returns its id."""
        identity = write_snapshot(self.settings, number)
        write_features(self.settings, number)
        write_selection(self.settings, number, vectors)
        return identity

    def run(self, number: int, family: str = "matrix_factorization") -> Path:
        return self.settings.runs / snapshot_id(number) / f"{family}-{number:012x}"

    def spoil(self, number: int, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the columns of a Parquet file of the selected run."""
        path = self.run(number) / f"{name}.parquet"
        table = pq.read_table(path)
        columns = table.to_pydict()
        change(columns)
        pq.write_table(pa.table(columns, schema=table.schema), path)
