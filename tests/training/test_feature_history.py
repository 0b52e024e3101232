"""Point-in-time joins of the ranking model: they equal Feast's, and see nothing later."""

import io
import shutil
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from feature_repo.definitions import definitions
from penchant.artifacts import Snapshot
from penchant.errors import DataError
from penchant.features.repository import open_store
from penchant.manifest import read_marts
from penchant.ranking.service_columns import SERVICE, service_features
from penchant.settings import Settings
from training.data.feature_history import FeatureHistory
from training.data.histories import Dataset, epoch, read_dataset
from training.layers.ranking.candidate_sources import Source
from training.layers.ranking.examples import features_of, pairs_of
from training.layers.ranking.source_lists import Depth, SourceLists

MART = "user_item_statistics"
PAIRS = 60


@pytest.fixture
def live(checked_home: Settings) -> Snapshot:
    return Snapshot.live(checked_home)


def some_pairs(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Pairs with events, and as many of any user and item."""
    histories, random = dataset.histories, np.random.default_rng(1)
    events = random.choice(len(histories.items_N), PAIRS, replace=False)
    users = random.integers(len(dataset.user_ids), size=PAIRS)
    items = random.integers(len(dataset.item_ids), size=PAIRS)
    return (
        np.concatenate([histories.users_U[histories.rows_N[events]], users]),
        np.concatenate([histories.items_N[events], items]),
    )


def by_feast(
    settings: Settings, snapshot: Snapshot, folder: Path, entities: pd.DataFrame
) -> pd.DataFrame:
    folder.mkdir()
    store = open_store(settings, snapshot.id, folder, read_only=False)
    with redirect_stdout(io.StringIO()):
        store.apply(definitions(snapshot).objects())
        joined = store.get_historical_features(
            entity_df=entities, features=store.get_feature_service(SERVICE), full_feature_names=True
        ).to_df()
    return joined.sort_values("row").reset_index(drop=True)


@pytest.mark.parametrize("days_before", [0, 33])
def test_join_equals_historical_retrieval(
    checked_home: Settings, live: Snapshot, tmp_path: Path, days_before: int
) -> None:
    dataset = read_dataset(live)
    user_C, item_C = some_pairs(dataset)
    at = live.as_of - timedelta(days=days_before)
    items = dataset.items.take(pa.array(item_C))
    levels = [items[f"category_{level}"] for level in (3, 2, 1)]
    entities = pd.DataFrame(
        {
            "row": range(len(user_C)),
            "user_id": np.array(dataset.user_ids)[user_C],
            "item_id": np.array(dataset.item_ids)[item_C],
            "category": items["category_1"].to_pylist(),
            "leaf_category": pc.coalesce(*levels).to_pylist(),
            "event_timestamp": pd.Timestamp(at, tz="UTC"),
        }
    )
    expected = by_feast(checked_home, live, tmp_path / "feast", entities)
    history = FeatureHistory.read(live, dataset)
    columns = history.columns(epoch(at))
    found = history.as_of(epoch(at), columns).raw(user_C, item_C)
    assert {column.kind for column in columns} == {"number", "time", "decayed", "text"}
    for column in columns:
        theirs = expected[column.reference]
        if column.kind == "text":
            place = {text: index for index, text in enumerate(column.values)}
            theirs = theirs.map(place)
        elif column.kind == "time":
            theirs = pd.to_datetime(theirs, utc=True).map(
                lambda time: np.nan if pd.isna(time) else np.floor(time.timestamp())
            )
        np.testing.assert_allclose(
            found[column.reference],
            theirs.astype(float).to_numpy(),
            rtol=1e-6,
            err_msg=column.reference,
        )
    pair = found[f"{MART}__pair_purchase_days"]
    assert np.isnan(pair).any() and (pair > 0).any()


def test_service_features_are_those_of_feast(live: Snapshot) -> None:
    service = next(one for one in definitions(live).services if one.name == SERVICE)
    feasts = {
        f"{view.name}__{field.name}"
        for view in service.feature_view_projections
        for field in view.features
    }
    assert set(service_features(read_marts(live.manifest))) == feasts


def test_later_row_is_not_seen(live: Snapshot) -> None:
    moment = epoch(live.as_of) - 40 * 86_400
    before = FeatureHistory.read(live, read_dataset(live))
    path = live.mart(MART)
    table = pq.read_table(path)
    late = table.column("feature_at").to_numpy() > np.datetime64(moment, "s")
    days = table.column("pair_purchase_days").to_numpy() + 1000 * late
    place = table.schema.get_field_index("pair_purchase_days")
    shutil.rmtree(path)  # a folder of parts
    pq.write_table(table.set_column(place, "pair_purchase_days", pa.array(days)), path)
    after = FeatureHistory.read(live, read_dataset(live))
    columns, reference = before.columns(moment), f"{MART}__pair_purchase_days"
    one, other = (
        next(
            table.values[reference]
            for table in history.as_of(moment, columns).tables
            if table.view.name == MART
        )
        for history in (before, after)
    )
    assert late.any()
    np.testing.assert_array_equal(one, other)


def test_planted_future_feature_is_rejected(live: Snapshot) -> None:
    dataset = read_dataset(live)
    history = FeatureHistory.read(live, dataset)
    moment = dataset.histories.end - 40 * 86_400
    columns = history.columns(moment)
    tables = replace(history.as_of(dataset.histories.end, columns), moment=moment)
    batch = dataset.histories.before(moment).take(np.arange(10))
    listed = SourceLists(np.tile(np.arange(20), (10, 1)), np.ones((10, 20)))
    lists = {Source("popularity", Depth(20)): listed}
    with pytest.raises(DataError, match="feature leakage"):
        features_of(pairs_of(lists, batch), lists, batch, tables)
