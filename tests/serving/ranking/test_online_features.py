"""Online features of a request equal those of historical retrieval at the same moment."""

from datetime import UTC

import numpy as np
import pandas as pd
import pytest
from ranked_shop import AS_OF, COLUMNS, FEATURES, HISTORY, PAIRS, POPULAR, pairs
from small_shop import ITEMS, Shop, snapshot_id

from penchant.features.batched_reads import view_readers
from penchant.features.repository import open_features
from penchant.ranking.features import Features, Listed, ranking_features
from penchant.releases.opened import OpenRelease
from penchant.serving.ranking.online_features import OnlineFeatures
from penchant.serving.ranking.sources import find, merge
from penchant.serving.recommending.user_state import UserState


@pytest.fixture(scope="module")
def opened(ranked_once: Shop) -> OpenRelease:
    settings = ranked_once.settings
    return OpenRelease(settings, str(settings.live_release.current()))


def online(opened: OpenRelease, user_id: str) -> tuple[list[str], Features]:
    """The candidates of a user and their features."""
    assert opened.ranking is not None
    found = find(opened, opened.ranking, UserState(user_id, None), None)
    merged = merge(found, 500)
    features_CF = OnlineFeatures(opened, opened.ranking).of(user_id, merged).matrix()
    return list(opened.items.ids.names(merged.items_C)), features_CF


def historical(shop: Shop, user_id: str, item_ids: list[str]) -> Features:
    """The features as training makes them: Feast's point-in-time join, then the shared code."""
    store = open_features(shop.settings, snapshot_id(1))
    asked = pd.DataFrame({"user_id": user_id, "item_id": item_ids, "category": "GROCERY"})
    asked["event_timestamp"] = pd.Timestamp(AS_OF, tz="UTC")
    service = store.get_feature_service("ranking")
    joined = store.get_historical_features(asked, service, full_feature_names=True).to_df()
    joined = joined.set_index("item_id").loc[item_ids].reset_index()
    moment = AS_OF.replace(tzinfo=UTC).timestamp()
    raw = {}
    for column in COLUMNS:
        values = joined[column.reference]
        if column.kind == "time":
            raw[column.reference] = seconds(values)
        elif column.kind == "text":
            raw[column.reference] = values.astype(object).to_numpy()
        else:
            raw[column.reference] = values.astype("Float64").to_numpy(np.float64, na_value=np.nan)
    rows = pairs()
    latest = rows[rows.user_id == user_id].groupby("item_id").feature_at.max().reindex(item_ids)
    raw[f"{PAIRS}__feature_time"] = seconds(latest)
    at = int(user_id[1:])
    lists = {HISTORY: ITEMS[at : at + 30], POPULAR: ITEMS[::-3]}
    listed = {name: as_listed(items, item_ids) for name, items in lists.items()}
    return ranking_features(COLUMNS, raw, listed, moment, len(item_ids))


def as_listed(items: list[str], item_ids: list[str]) -> Listed:
    scores = np.linspace(3, 1, len(items)).astype(np.float32)
    place = {item: at for at, item in enumerate(items)}
    found = [place.get(item, -1) for item in item_ids]
    ranks = [at + 1 if at >= 0 else np.nan for at in found]
    return Listed(
        np.array([scores[at] if at >= 0 else np.nan for at in found], np.float64), np.array(ranks)
    )


def seconds(times: pd.Series) -> np.ndarray:
    """Whole seconds since 1970; NaN for null."""
    aware = pd.to_datetime(times, utc=True)
    since = (aware - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(1, "s")
    return since.astype("Float64").to_numpy(np.float64, na_value=np.nan)


@pytest.mark.parametrize("user_id", ["u0", "u3", "u17"])
def test_equal_historical_retrieval(opened: OpenRelease, ranked_once: Shop, user_id: str) -> None:
    item_ids, features_CF = online(opened, user_id)
    assert len(item_ids) > 40
    expected_CF = historical(ranked_once, user_id, item_ids)
    for place, name in enumerate(FEATURES):
        np.testing.assert_array_equal(features_CF[:, place], expected_CF[:, place], name)
    # a user without recent orders lacks those and the ratio to them
    assert np.isfinite(features_CF).any(axis=0).sum() >= len(FEATURES) - 3


def test_second_read_of_items_comes_from_memory(opened: OpenRelease) -> None:
    (_, first_CF), (_, second_CF) = online(opened, "u5"), online(opened, "u5")
    np.testing.assert_array_equal(first_CF, second_CF)


def test_batched_reads_equal_feasts_own(opened: OpenRelease) -> None:
    store = opened.features
    ids = {"user_id": ["u1", "u1", "nobody"], "item_id": ["i001", "i999", "i001"]}
    rows = view_readers(store, "ranking")[PAIRS].read(
        ids, ["pair_pieces", "pair_last_purchased_at"]
    )
    entity_rows = [dict(zip(ids, row, strict=True)) for row in zip(*ids.values(), strict=True)]
    names = ("pair_pieces", "pair_last_purchased_at")
    theirs = store.get_online_features([f"{PAIRS}:{name}" for name in names], entity_rows).to_dict()
    assert [None if np.isnan(each) else each for each in rows.columns["pair_pieces"].tolist()] == (
        theirs["pair_pieces"]
    )
    at = theirs["pair_last_purchased_at"][0].replace(tzinfo=UTC).timestamp()
    assert rows.columns["pair_last_purchased_at"][0] == at
    assert np.isnan(rows.times_N).tolist() == [False, True, True]
