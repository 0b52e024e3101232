"""Launch audiences, in a shop where half of the users buy tea and half buy pans."""

import shutil
from datetime import datetime

import numpy as np
import pytest
from fastapi.testclient import TestClient
from planted_launches import SNAPSHOT, USERS, write_shop

from penchant.api.app import create_app
from penchant.artifacts import Snapshot
from penchant.artifacts.audience import AudienceRecord
from penchant.errors import NothingToDo
from penchant.insights.audience.catalogue import read_catalogue
from penchant.insights.audience.profiles import features_of, profiles_at, read_purchases
from penchant.insights.audience.published import published_audiences
from penchant.insights.audience.stage import launches, rank_audiences
from penchant.settings import Settings
from penchant.subjects import Subjects


@pytest.fixture(scope="module")
def ranked_once(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """For tests that only read."""
    settings = Settings(
        _env_file=None, home=tmp_path_factory.mktemp("audience") / "home", threads=1
    )
    write_shop(settings)
    rank_audiences(settings, SNAPSHOT)
    return settings


@pytest.fixture(scope="module")
def client(ranked_once: Settings) -> TestClient:
    return TestClient(create_app(ranked_once))


def test_audience_of_a_tea_is_tea_drinkers(client: TestClient) -> None:
    tea, pans = (
        client.get("/v1/audience", params={"item_id": item, "k": USERS // 2}).json()
        for item in ("new0", "new1")
    )
    assert {int(user[1:]) % 2 for user in tea["users"]} == {0}
    assert {int(user[1:]) % 2 for user in pans["users"]} == {1}
    assert tea["title"] == "Tea of tomorrow" and len(tea["users"]) == USERS // 2


def test_held_out_first_buyers_are_found(ranked_once: Settings) -> None:
    record = AudienceRecord.read(AudienceRecord.path(ranked_once, SNAPSHOT))
    chosen, random = record.quality[record.method], record.quality["random"]
    assert record.tested_launches >= 10
    assert chosen.recall_100["mean"] > random.recall_100["mean"] + 0.05


def test_features_know_nothing_after_the_moment(settings: Settings) -> None:
    write_shop(settings)
    snapshot = Snapshot.live(settings)
    catalogue = read_catalogue(snapshot)
    purchases = read_purchases(snapshot, catalogue, 1)
    early = profiles_at(purchases, catalogue, 56)
    kept_R = purchases.day_R > 56
    first_I = np.where(purchases.first_I > 56, purchases.first_I, 0)
    past = type(purchases)(
        purchases.user_ids,
        purchases.user_R[kept_R],
        purchases.item_R[kept_R],
        purchases.day_R[kept_R],
        first_I,
    )
    only_past = profiles_at(past, catalogue, 56)
    item = catalogue.item_ids.index("new0")
    np.testing.assert_array_equal(
        features_of(early, catalogue, item), features_of(only_past, catalogue, item)
    )
    random = np.random.default_rng(0)
    for launch in launches(purchases, early, 56, random):
        assert 28 < purchases.first_I[launch.item] <= 56


def test_item_without_texts_is_ranked_by_activity(ranked_once: Settings) -> None:
    assert len(published_audiences(ranked_once).of_item("bare")["user_ids"]) == USERS


def test_repeating_the_stage_changes_nothing(ranked_once: Settings) -> None:
    assert rank_audiences(ranked_once, SNAPSHOT).repeated


@pytest.mark.parametrize("launched", [0, 12])
def test_too_few_launches_are_nothing_to_do(settings: Settings, launched: int) -> None:
    write_shop(settings, launched=launched)
    with pytest.raises(NothingToDo, match="audiences need 10 in each of the last two"):
        rank_audiences(settings, SNAPSHOT)


def test_api_rejects_items_that_are_not_new(client: TestClient, settings: Settings) -> None:
    answer = client.get("/v1/audience", params={"item_id": "Tea old 1"})
    assert "is not new" in answer.json()["detail"]
    empty = TestClient(create_app(settings)).get("/v1/audience", params={"item_id": "new0"})
    assert empty.status_code == 503 and "rank-audiences" in empty.json()["remedy"]


def test_objecting_user_is_in_no_answer(ranked_once: Settings, settings: Settings) -> None:
    shutil.copytree(ranked_once.home, settings.home)
    first = published_audiences(settings).of_item("new0")["user_ids"][0]
    assert published_audiences(settings).of_user(first)[0]["place"] >= 1
    Subjects(settings).request("object", first, datetime(2024, 4, 2))
    client = TestClient(create_app(settings))
    listed = client.get("/v1/audience", params={"item_id": "new0", "k": 500}).json()["users"]
    assert listed and first not in listed
