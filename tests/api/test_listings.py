"""Lists for everybody, similar items within a category, and a user's segment."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from small_shop import ITEMS, USERS

from penchant.api.app import create_app

Json = dict[str, Any]


@pytest.fixture(scope="module")
def client(served_once: Any) -> TestClient:
    return TestClient(create_app(served_once.settings))


def listed(client: TestClient, path: str, **params: Any) -> list[Json]:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def test_popular_items_are_in_the_order_that_unknown_users_get(client: TestClient) -> None:
    popular = [item["item_id"] for item in listed(client, "/v1/popular", k=5)]
    unknown = listed(client, "/v1/recommendations", user_id="nobody", k=5)
    assert popular == [item["item_id"] for item in unknown]


def test_latest_items_are_newest_first_within_a_category(client: TestClient) -> None:
    assert [i["item_id"] for i in listed(client, "/v1/latest", k=3)] == ["i119", "i118", "i117"]
    tea = listed(client, "/v1/latest", k=3, category="GROCERY > TEA")
    assert [item["item_id"] for item in tea] == ["i118", "i116", "i114"]


def test_items_trend_by_users_of_the_last_week(client: TestClient) -> None:
    """The shop's last events are 23 days before its end: nothing trends."""
    assert listed(client, "/v1/trending") == []


def test_similar_items_stay_within_a_category(client: TestClient) -> None:
    near = listed(client, "/v1/similar", item_id="i007", k=5, category="GROCERY > TEA")
    assert len(near) == 5 and all(int(item["item_id"][1:]) % 2 == 0 for item in near)
    every = listed(client, "/v1/similar", item_id="i007", k=100)
    tea = [i["item_id"] for i in every if int(i["item_id"][1:]) % 2 == 0]
    assert tea[:5] == [item["item_id"] for item in near]


def test_segment_describes_users_without_naming_them(client: TestClient) -> None:
    answer = client.get("/v1/segment", params={"user_id": "u3", "k": 4}).json()
    assert 1 <= answer["users"] <= len(USERS) and len(answer["items"]) == 4
    assert {item["item_id"] for item in answer["items"]} <= set(ITEMS)
    assert "u4" not in str(answer)
    portrait = client.get("/v1/portrait", params={"user_id": "u3"}).json()
    assert portrait["segment"] == answer["segment"]
