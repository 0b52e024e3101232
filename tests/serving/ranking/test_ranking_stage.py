"""A request is ranked by the model; where it can't be, the precomputed list serves and says why."""

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from ranked_shop import (
    HISTORY,
    booster_of,
    marts,
    write_ranking_features,
    write_ranking_model,
)
from small_shop import AS_OF, ITEMS, Shop, snapshot_id

from penchant.api.app import create_app
from penchant.artifacts import RankingModelRecord
from penchant.errors import DataError
from penchant.interactions import Interaction
from penchant.publishing.publish import publish
from penchant.releases.opened import OpenRelease
from penchant.serving.ranking.objective import Objective
from penchant.serving.ranking.online_features import OnlineFeatures
from penchant.serving.ranking.ranker import Ranker
from penchant.serving.ranking.sources import find, merge
from penchant.serving.recommending.options import RecommendOptions
from penchant.serving.recommending.recommender import Recommender
from penchant.serving.recommending.user_state import UserState
from penchant.serving.service import RecommendationService


def answer_of(shop: Shop, user_id: str = "u5", k: int = 10, **options: Any) -> Any:
    return RecommendationService(shop.settings).recommend(user_id, k, RecommendOptions(**options))


def fallback_of(shop: Shop) -> tuple[str, str | None, int, str]:
    """Of an answer over HTTP: what ranked it, why, its status, and the metrics."""
    client = TestClient(create_app(shop.settings))
    response = client.get("/v1/recommendations", params={"user_id": "u5"})
    body = response.json()
    assert len(body["items"]) == 10
    return body["ranked_by"], body["fallback"], response.status_code, client.get("/metrics").text


def test_order_is_that_of_lightgbm(ranked_once: Shop) -> None:
    settings = ranked_once.settings
    opened = OpenRelease(settings, str(settings.live_release.current()))
    assert opened.ranking is not None
    merged = merge(find(opened, opened.ranking, UserState("u5", None), None), 50)
    features_CF = OnlineFeatures(opened, opened.ranking).of("u5", merged).matrix()
    scores_C = booster_of(opened.ranking.model.parent).predict(features_CF, raw_score=True)
    best = opened.items.ids.names(merged.items_C[np.lexsort((merged.items_C, -scores_C))])
    answer = answer_of(ranked_once, k=20)
    assert (answer.ranked_by, answer.fallback) == ("ranking_model", None)
    assert answer.origin == "ranker matrix_factorization"
    assert [item.item_id for item in answer.items] == list(best[:20])
    assert {item.source for item in answer.items} <= {HISTORY, "popularity"}


def test_filters_apply_to_ranked_candidates(ranked_once: Shop) -> None:
    full = [item.item_id for item in answer_of(ranked_once, k=50).items]
    kept = [item.item_id for item in answer_of(ranked_once, k=50, exclude_bought=True).items]
    assert not set(kept) & set(ITEMS[5:15]) and set(full) & set(ITEMS[5:15])
    assert [each for each in full if each in kept] == [each for each in kept if each in full]


def test_more_items_than_candidates_are_filled_from_the_list(ranked_once: Shop) -> None:
    answer = answer_of(ranked_once, k=100)
    assert answer.ranked_by == "ranking_model"
    assert len({item.item_id for item in answer.items}) == 100


def test_unknown_user_gets_popular_items(ranked_once: Shop) -> None:
    answer = answer_of(ranked_once, "nobody")
    assert (answer.ranked_by, answer.fallback) == ("precomputed", "no_candidates")
    assert answer.origin == "popularity prior"


def test_release_without_ranking_model_serves_its_list(served_once: Shop) -> None:
    ranked_by, fallback, status, metrics = fallback_of(served_once)
    assert (ranked_by, fallback, status) == ("precomputed", "no_model", 200)
    assert 'penchant_rankings_total{fallback="no_model",ranked_by="precomputed"} 1.0' in metrics


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "ranking_model.txt").write_text("tree"),
        lambda folder: (folder / "ranking_model.json").unlink(),
        lambda folder: (folder / HISTORY / "items_P.npy").write_bytes(b"\x93NUMPY"),
    ],
)
def test_corrupt_ranking_model_falls_back(ranked: Shop, spoil: Any) -> None:
    live = str(ranked.settings.live_release.current())
    spoil(ranked.settings.releases / live / "ranking")
    ranked_by, fallback, status, metrics = fallback_of(ranked)
    assert (ranked_by, fallback, status) == ("precomputed", "model_unreadable", 200)
    assert 'fallback="model_unreadable"' in metrics


@pytest.mark.parametrize("view", ["user_item_statistics", "item_statistics"])
def test_view_without_rows_online_falls_back(shop: Shop, view: str) -> None:
    write_ranking_features(shop, 1, leave_out=view)
    write_ranking_model(shop, 1)
    publish(shop.settings, snapshot_id(1))
    ranked_by, fallback, status, metrics = fallback_of(shop)
    assert (ranked_by, fallback, status) == ("precomputed", "features_missing", 200)
    assert 'fallback="features_missing"' in metrics


def test_stale_view_falls_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """All its rows had expired by the end of the data."""
    old = {name: table.copy() for name, table in marts().items()}
    old["user_statistics"]["feature_at"] = AS_OF - timedelta(days=84)
    monkeypatch.setattr("ranked_shop.marts", lambda: old)
    write_ranking_features(shop, 1)
    write_ranking_model(shop, 1)
    publish(shop.settings, snapshot_id(1))
    ranked_by, fallback, status, _ = fallback_of(shop)
    assert (ranked_by, fallback, status) == ("precomputed", "features_missing", 200)


def test_source_without_lists_leaves_the_others_to_find_candidates(shop: Shop) -> None:
    write_ranking_features(shop, 1)
    write_ranking_model(shop, 1)
    path = RankingModelRecord.lists_path(shop.run(1))
    pq.write_table(pq.read_table(path, filters=[("source", "=", HISTORY)]), path)
    publish(shop.settings, snapshot_id(1))
    answer = answer_of(shop, k=5)
    assert (answer.ranked_by, answer.fallback) == ("ranking_model", None)
    assert {item.source for item in answer.items} == {HISTORY}


def test_failing_online_store_falls_back(ranked: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("the online store is away")

    monkeypatch.setattr("penchant.features.batched_reads.ViewReader.read", fail)
    ranked_by, fallback, status, _ = fallback_of(ranked)
    assert (ranked_by, fallback, status) == ("precomputed", "failed", 200)


def test_user_that_only_an_empty_source_could_know_gets_the_list(ranked_once: Shop) -> None:
    settings = ranked_once.settings
    opened = OpenRelease(settings, str(settings.live_release.current()))
    assert opened.ranking is not None
    allowed_I = np.zeros(len(opened.items), bool)
    allowed_I[opened.items.ids.rows(ITEMS[:20])] = True  # of these, the popular list has few
    found = find(opened, opened.ranking, UserState("u25", None), allowed_I)
    assert [each.source for each in found] == ["popularity"]
    fallback = Ranker().rank(opened, UserState("u25", None), allowed_I).fallback
    assert fallback == "no_candidates"


def test_events_since_the_release_change_features_and_candidates(ranked_once: Shop) -> None:
    settings = ranked_once.settings
    opened = OpenRelease(settings, str(settings.live_release.current()))
    before = Ranker().rank(opened, UserState("u5", None), None).candidates
    bought = tuple(Interaction("u5", item, "s", "purchase", AS_OF, 1) for item in ITEMS[20:24])
    since = UserState("u5", opened.vectors_ID[50], True, bought)
    after = Ranker().rank(opened, since, None).candidates
    assert before is not None and after is not None
    assert set(before.sources) <= {HISTORY, "popularity"} < set(after.sources) | {HISTORY}
    ids = opened.items.ids.names
    assert ids(before.items_C) != ids(after.items_C)


def test_weights_change_the_order(ranked_once: Shop) -> None:
    def items(objective: Objective) -> list[Any]:
        ranking = Recommender(ranking=Ranker(objective))
        return list(RecommendationService(ranked_once.settings, ranking).recommend("u5", 20).items)

    likely = items(Objective())
    assert items(Objective(probability=2))[0].item_id == likely[0].item_id
    prices = [item.price for item in items(Objective(probability=0, value=1))]
    assert prices == sorted(prices, reverse=True) != [item.price for item in likely]
    new = items(Objective(exploration=100))
    assert [item.item_id for item in new] != [item.item_id for item in likely]


def test_refuses_to_publish_a_model_of_other_features(ranked: Shop) -> None:
    write_ranking_model(ranked, 1, service_features=("user_statistics__gone",))
    for release in ranked.settings.releases.glob("r-*"):
        (release / "release.json").unlink()
    with pytest.raises(DataError) as raised:
        publish(ranked.settings, snapshot_id(1))
    assert "trained on user_statistics__gone;" in str(raised.value)
    assert "item_statistics__purchases_28d" in str(raised.value)


def test_refuses_to_publish_a_model_whose_file_changed(shop: Shop) -> None:
    write_ranking_features(shop, 1)
    write_ranking_model(shop, 1)
    (shop.run(1) / "ranking_model.txt").write_text("tree")
    with pytest.raises(DataError, match="SHA-256"):
        publish(shop.settings, snapshot_id(1))
    assert not list(shop.settings.releases.glob("r-*"))
