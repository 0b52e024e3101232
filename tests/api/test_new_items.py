"""Items and users that a service sends: durable, recommended at once by content, landed."""

from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from fresh_shop import with_encoder
from small_shop import ITEMS, snapshot_id

from penchant.api.app import create_app
from penchant.ingestion.ingest import ingest
from penchant.publishing.publish import publish

Json = dict[str, Any]
TEAPOT = {
    "item_id": "teapot",
    "title": "TITLE i007 teapot",
    "category": ["GROCERY", "PANS"],
    "price": 3.5,
}


@pytest.fixture
def client(shop: Any) -> TestClient:
    with_encoder(shop, 1)
    publish(shop.settings, snapshot_id(1))
    return TestClient(create_app(shop.settings))


def put(client: TestClient, *items: Json) -> None:
    answer = client.put("/v1/items", json={"items": list(items)})
    assert (answer.status_code, answer.json()) == (202, {"received": len(items)}), answer.text


def ids(client: TestClient, path: str, **params: Any) -> list[str]:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


def test_new_item_is_recommended_by_its_content_at_the_next_request(client: TestClient) -> None:
    asked = {"user_id": "u3", "k": 100, "category": "GROCERY > PANS"}
    known = ids(client, "/v1/recommendations", **asked)
    put(client, TEAPOT)
    with_new = ids(client, "/v1/recommendations", **asked)
    assert "teapot" in with_new
    assert [each for each in with_new if each != "teapot"] == known
    for narrower in ({"category": "GROCERY > TEA"}, {"exclude": "teapot"}, {"price_max": 3}):
        assert "teapot" not in ids(client, "/v1/recommendations", **asked | narrower)
    assert ids(client, "/v1/latest", k=1) == ["teapot"]
    pans = {"k": 100, "category": "GROCERY > PANS"}
    assert "teapot" in ids(client, "/v1/similar", item_id="i007", **pans)


def test_new_item_is_placed_where_the_retriever_ranks_it(client: TestClient) -> None:
    put(client, TEAPOT)
    interested, other = {"events": [{"item_id": "i007"}]}, {}
    answer = client.post("/v1/recommendations", json={"users": [interested, other], "k": 100})
    first, second = answer.json()["results"]
    assert "teapot" in [item["item_id"] for item in first["items"]]
    scores = [item["score"] for item in first["items"]]
    assert scores == sorted(scores, reverse=True)
    assert "teapot" not in [item["item_id"] for item in second["items"]]


def test_new_item_resembles_items_of_its_title(client: TestClient) -> None:
    put(client, TEAPOT)
    answer = client.get("/v1/similar", params={"item_id": "teapot", "k": 3}).json()
    assert answer["items"][0]["item_id"] == "i007", "its title has the rarest word in common"
    shown = client.post("/v1/rank", json={"items": [{"item_id": "teapot"}], "user_id": "u3"})
    assert shown.json()["items"][0]["title"] == TEAPOT["title"]


def test_another_server_and_a_restarted_one_know_it(client: TestClient, shop: Any) -> None:
    other = TestClient(create_app(shop.settings))
    put(client, TEAPOT | {"title": "first"}, TEAPOT)
    for server in (other, TestClient(create_app(shop.settings))):
        (latest, *_) = server.get("/v1/latest", params={"k": 1}).json()["items"]
        assert (latest["item_id"], latest["title"]) == ("teapot", TEAPOT["title"])


def test_a_change_of_an_item_is_in_the_next_answer(client: TestClient, shop: Any) -> None:
    """Its title and price are shown, its category and price filter, on every server."""
    other = TestClient(create_app(shop.settings))
    asked = {"user_id": "u3", "k": 100}
    before = ids(client, "/v1/recommendations", **asked)
    changed = {"title": "another title", "category": ["GARDEN", "POTS"], "price": 777.0}
    put(client, TEAPOT | {"item_id": "i001"} | changed)
    for server in (client, other):
        (item,) = server.post("/v1/rank", json={"items": [{"item_id": "i001"}]}).json()["items"]
        assert (item["title"], item["category"]) == ("another title", "GARDEN")
        assert ids(server, "/v1/recommendations", **asked) == before
        for only in ({"category": "GARDEN"}, {"category": "GARDEN > POTS"}, {"price_min": 700}):
            assert ids(server, "/v1/recommendations", **asked | only) == ["i001"]
        assert "i001" not in ids(server, "/v1/recommendations", **asked, price_max=700)
        assert ids(server, "/v1/similar", item_id="i007", category="GARDEN") == ["i001"]
        assert ids(server, "/v1/popular", category="GARDEN > POTS") == ["i001"]
    assert ids(client, "/v1/latest", k=1) == [ITEMS[-1]], "it is not new"


def test_a_change_that_is_taken_back_leaves_the_item_as_published(client: TestClient) -> None:
    def ranked() -> Json:
        (item,) = client.post("/v1/rank", json={"items": [{"item_id": "i001"}]}).json()["items"]
        return item

    published = ranked()
    facts = client.app.state.services.recommendations.read(  # type: ignore[attr-defined]
        lambda opened: opened.facts_as_published("i001")
    )
    put(client, TEAPOT | {"item_id": "i001"}, TEAPOT | {"item_id": "i002"})
    assert ranked()["title"] == TEAPOT["title"]
    back = {"title": facts.title, "category": facts.path, "brand": facts.brand}
    put(client, {"item_id": "i001", **back, "price": facts.price})
    assert ranked() == published
    pans = ids(client, "/v1/popular", k=100, category="GROCERY > PANS")
    assert ("i001" in pans, "i002" in pans) == (facts.path == ("GROCERY", "PANS"), True)


def test_items_and_users_land_as_batches(client: TestClient, shop: Any) -> None:
    put(client, TEAPOT, TEAPOT | {"price": 4})
    sent = client.put("/v1/users", json={"users": [{"user_id": "u77", "age_band": "25-34"}]})
    assert sent.status_code == 202
    report = ingest(shop.settings, "feedback", now=datetime.now(UTC).replace(tzinfo=None))
    assert report.quarantined == []
    assert {batch["table"] for batch in report.landed} == {"items", "users"}
    assert ids(client, "/v1/latest", k=1) == ["teapot"], "it has landed and is not in the release"


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("items", {"items": []}, "items: List should have at least 1 item"),
        ("items", {"items": [{"item_id": "x"}]}, "items.0.title: Field required"),
        ("items", {"items": [TEAPOT | {"title": " "}]}, "items.0.title: String should match"),
        ("items", {"items": [TEAPOT | {"price": -1}]}, "items.0.price"),
        ("items", {"items": [TEAPOT | {"category": ["a"] * 4}]}, "items.0.category: List should"),
        ("items", {"items": [TEAPOT | {"category": ["a > b"]}]}, "items.0.category.0"),
        ("items", {"items": [TEAPOT | {"first_seen_at": "2026-01-01T00:00:00"}]}, "timezone"),
        ("users", {"users": [{"user_id": "u1", "colour": "red"}]}, "users.0.colour: Extra inputs"),
    ],
)
def test_rejects_invalid_rows(served_once: Any, path: str, body: Json, words: str) -> None:
    answer = TestClient(create_app(served_once.settings)).put(f"/v1/{path}", json=body)
    assert answer.status_code == 422 and words in answer.json()["detail"], answer.text
