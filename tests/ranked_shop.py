"""The small shop with the service ``ranking`` online and a ranking model in its ranker's run."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from small_shop import AS_OF, ITEMS, USERS, Shop, snapshot_id

from penchant.artifacts import Calibration, CandidateSource, ModelFile, RankingModelRecord
from penchant.encryption.encrypted_file import sha256_of
from penchant.ranking.features import FeatureColumn, feature_names

HISTORY, POPULAR = "tifu_knn", "popularity"
SOURCES = (
    CandidateSource(name=HISTORY, key="user", length=30),
    CandidateSource(name=POPULAR, key="all", length=40),
)
PAIRS = "user_item_statistics"
COLUMNS = (
    FeatureColumn("user_statistics", "orders_28d", "number"),
    FeatureColumn("user_statistics", "last_seen_at", "time"),
    FeatureColumn("item_statistics", "purchases_28d", "number"),
    FeatureColumn("item_statistics", "mean_price_91d", "number"),
    FeatureColumn("item_brands", "label", "text", values=tuple(f"BRAND {n}" for n in range(5))),
    FeatureColumn("user_category_statistics", "category_affinity", "number"),
    FeatureColumn(PAIRS, "pair_purchase_days", "number"),
    FeatureColumn(PAIRS, "pair_purchases_decayed_30d", "decayed", half_life_days=30.0),
    FeatureColumn(PAIRS, "pair_first_purchased_at", "time"),
    FeatureColumn(PAIRS, "pair_last_purchased_at", "time"),
    FeatureColumn(PAIRS, "pair_previous_purchased_at", "time"),
    FeatureColumn(PAIRS, "pair_pieces", "number"),
    FeatureColumn(PAIRS, "pair_views", "number"),
    FeatureColumn(PAIRS, "pair_last_event_at", "time"),
)
FEATURES = feature_names(COLUMNS, [source.name for source in SOURCES])
SERVICE_FEATURES = (*(column.reference for column in COLUMNS), "user_statistics__spend_28d")


def marts() -> dict[str, pd.DataFrame]:
    """Feature rows at two times, with nulls; user 3 has none of ``user_statistics``, the first item
    has only an expired row of ``item_statistics``, the last five none."""
    random = np.random.default_rng(3)
    times = [AS_OF - timedelta(days=28), AS_OF]
    users = [(user, at) for user in USERS if user != "u3" for at in times]
    items = [(item, at) for item in ITEMS[1:-5] for at in times]
    items.append((ITEMS[0], AS_OF - timedelta(days=84)))
    tables = {
        "user_statistics": pd.DataFrame(users, columns=["user_id", "feature_at"]).assign(
            orders_28d=lambda t: _with_nulls(random.integers(0, 9, len(t)), 7),
            spend_28d=lambda t: random.random(len(t)),
            last_seen_at=lambda t: (
                t.feature_at - pd.to_timedelta(random.integers(1, 9**6, len(t)), "s")
            ),
        ),
        "item_statistics": pd.DataFrame(items, columns=["item_id", "feature_at"]).assign(
            purchases_28d=lambda t: random.integers(0, 50, len(t)),
            mean_price_91d=lambda t: np.where(
                random.random(len(t)) < 0.2, np.nan, random.random(len(t))
            ),
        ),
        "item_brands": pd.DataFrame(
            {
                "item_id": ITEMS,
                "feature_at": times[0],
                "label": [f"BRAND {n % 7}" for n in range(len(ITEMS))],
            }
        ),
        "user_category_statistics": pd.DataFrame(
            [(user, "GROCERY", at) for user in USERS for at in times],
            columns=["user_id", "category", "feature_at"],
        ).assign(category_affinity=lambda t: random.random(len(t))),
        PAIRS: pairs(),
    }
    return tables


def pairs() -> pd.DataFrame:
    """User n bought the items n to n + 9 on a day each, and the first of them again later."""
    rows = []
    for number, user in enumerate(USERS):
        for place in range(10):
            first = datetime(2017, 12, 1 + place)
            rows.append(_pair(user, ITEMS[number + place], [first]))
            if place == 0:
                rows.append(_pair(user, ITEMS[number], [first, datetime(2017, 12, 20)]))
    return pd.DataFrame(rows)


def _pair(user: str, item: str, days: list[datetime]) -> dict[str, Any]:
    last = days[-1]
    return {
        "user_id": user,
        "item_id": item,
        "feature_at": last + timedelta(days=1),
        "pair_purchase_days": len(days),
        "pair_purchases_decayed_30d": sum(0.5 ** ((last - day).days / 30) for day in days),
        "pair_first_purchased_at": days[0],
        "pair_last_purchased_at": last,
        "pair_previous_purchased_at": days[-2] if len(days) > 1 else None,
        "pair_pieces": 2 * len(days),
        "pair_views": 1,
        "pair_last_event_at": last + timedelta(hours=9),
    }


def _with_nulls(values: np.ndarray, every: int) -> pd.Series:
    series = pd.Series(values, dtype="Int64")
    series[::every] = None
    return series


def write_ranking_features(shop: Shop, number: int, leave_out: str = "") -> Any:
    """Views of the service ``ranking``, materialized as ``penchant materialize`` does; the store.
    ``leave_out``: a view that stays empty online."""
    from penchant.feast_sdk import (
        Entity,
        FeatureService,
        FeatureView,
        Field,
        FileSource,
        Float64,
        Int64,
        String,
        UnixTimestamp,
        ValueType,
    )
    from penchant.features.materialize import _utc, served_from
    from penchant.features.repository import open_store

    identity = snapshot_id(number)
    store = open_store(shop.settings, identity, shop.settings.online / identity, read_only=False)
    keys = ("user_id", "item_id", "category")
    entities = {
        key: Entity(name=key.removesuffix("_id"), join_keys=[key], value_type=ValueType.STRING)
        for key in keys
    }
    views = []
    for name, table in marts().items():
        path = shop.settings.snapshots / identity / "marts" / f"{name}.parquet"
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        pq.write_table(arrow, path, coerce_timestamps="us")
        types = {
            pa.int64(): Int64,
            pa.float64(): Float64,
            pa.string(): String,
            pa.large_string(): String,
        }
        schema = [
            Field(name=field.name, dtype=types.get(field.type, UnixTimestamp))
            for field in arrow.schema
            if field.name != "feature_at"
        ]
        views.append(
            FeatureView(
                name=name,
                entities=[entity for key, entity in entities.items() if key in table],
                schema=schema,
                ttl=timedelta(days=0 if name in (PAIRS, "item_brands") else 56),
                source=FileSource(name=name, path=str(path), timestamp_field="feature_at"),
            )
        )
    service = FeatureService(name="ranking", features=views)
    store.apply([*entities.values(), *views, service])
    for view in views:
        if view.name != leave_out:
            start = served_from(view, _utc(AS_OF))
            store.materialize(start, _utc(AS_OF), feature_views=[view.name])
    return store


def write_ranking_model(shop: Shop, number: int, **fields: Any) -> RankingModelRecord:
    """A ranking model of random trees in the run of the ranker; ``fields`` replace the record's."""
    run = shop.run(number)
    random = np.random.default_rng(number)
    features_NF = random.normal(size=(2000, len(FEATURES))).astype(np.float32) * 10
    features_NF[random.random(features_NF.shape) < 0.3] = np.nan
    label_N = np.nan_to_num(features_NF[:, 6:]).sum(axis=1) > 0
    options = {"objective": "lambdarank", "num_leaves": 15, "verbose": -1, "num_threads": 1}
    trees = lightgbm.train(options, lightgbm.Dataset(features_NF, label_N, group=[100] * 20), 10)
    trees.save_model(run / "ranking_model.txt")
    lists = [
        *((HISTORY, user, ITEMS[at : at + 30]) for at, user in enumerate(USERS)),
        (POPULAR, "all", ITEMS[::-3]),
    ]
    table = {
        "source": [source for source, _, _ in lists],
        "key": [key for _, key, _ in lists],
        "item_ids": [items for _, _, items in lists],
        "scores": [np.linspace(3, 1, len(items)).tolist() for _, _, items in lists],
    }
    pq.write_table(pa.table(table), RankingModelRecord.lists_path(run))
    neutral: dict[str, Any] = {
        "run_id": run.name,
        "family": "lambdamart",
        "snapshot_id": snapshot_id(number),
        "service_features": SERVICE_FEATURES,
        "columns": COLUMNS,
        "sources": SOURCES,
        "features": FEATURES,
        "candidates": 50,
        "model": ModelFile(
            name="ranking_model.txt",
            sha256=sha256_of(run / "ranking_model.txt"),
            trees=10,
            max_leaves=15,
        ),
        "calibration": Calibration(scores=(-3.0, 3.0), probabilities=(0.01, 0.5)),
    }
    record = RankingModelRecord(**neutral | fields)
    record.write(RankingModelRecord.path(run))
    return record


def booster_of(folder: Path) -> lightgbm.Booster:
    return lightgbm.Booster(model_file=str(folder / "ranking_model.txt"))
