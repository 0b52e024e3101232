"""``POST /v1/recommendations`` and ``POST /v1/rank``: sessions, many users, pages, candidates."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from small_shop import ITEMS

from penchant.api.app import create_app
from penchant.feedback.log import FeedbackLog

Json = dict[str, Any]


@pytest.fixture(scope="module")
def shop(served_once: Any) -> Any:
    return served_once


@pytest.fixture
def client(shop: Any) -> Iterator[TestClient]:
    with TestClient(create_app(shop.settings)) as client:
        yield client


def recommend(client: TestClient, *users: Json, **options: Any) -> Json:
    answer = client.post("/v1/recommendations", json={"users": list(users), **options})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(result: Json) -> list[str]:
    return [item["item_id"] for item in result["items"]]


def logged(shop: Any) -> list[Json]:
    log = FeedbackLog.of(shop.settings)
    log.seal()
    lines = [file.read_text().splitlines() for file in log.sealed("impressions")]
    return [json.loads(line) for some in lines for line in some]


def test_answers_many_users_from_one_release(client: TestClient, shop: Any) -> None:
    answer = recommend(client, {"user_id": "u3"}, {}, {"user_id": "u4"}, k=4)
    assert answer["release_id"] == shop.settings.live_release.current()
    assert [result["user_id"] for result in answer["results"]] == ["u3", None, "u4"]
    alone = client.get("/v1/recommendations", params={"user_id": "u4", "k": 4}).json()
    assert ids(answer["results"][2]) == ids(alone)


def test_logs_the_slates_of_known_users_with_their_context(client: TestClient, shop: Any) -> None:
    context = {"placement": "home", "device": "phone", "locale": "en-GB", "item_id": "i050"}
    answer = recommend(client, {"user_id": "u5"}, {}, context=context, k=3)
    named, anonymous = answer["results"]
    assert anonymous["slate_id"] is None and anonymous["items"][0]["impression_id"] is None
    rows = [row for row in logged(shop) if row["slate_id"] == named["slate_id"]]
    assert [row["impression_id"] for row in rows] == [i["impression_id"] for i in named["items"]]
    described = json.loads(rows[0]["context"])
    assert described["device"] == "phone" and described["page_item"] == "i050"
    assert "exploration" in described


def test_events_of_the_request_change_an_anonymous_answer(client: TestClient) -> None:
    viewed = {"events": [{"item_id": "i010"}, {"item_id": "i011", "event_type": "cart"}]}
    plain, session = recommend(client, {}, viewed, k=5)["results"]
    assert plain["origin"] == "popularity prior"
    assert "retriever" in session["origin"] and ids(session) != ids(plain)
    assert recommend(client, {}, k=5)["results"][0] == plain, "the events were stored"


def test_item_of_the_page_is_left_out_and_changes_the_order(client: TestClient) -> None:
    plain = recommend(client, {"user_id": "u3"}, k=10)["results"][0]
    page_item = ids(plain)[0]
    paged = recommend(client, {"user_id": "u3"}, k=10, context={"item_id": page_item})
    similar = client.get("/v1/similar", params={"item_id": page_item, "k": 3}).json()
    assert page_item not in ids(paged["results"][0])
    assert {item["item_id"] for item in similar["items"]} <= set(ids(paged["results"][0]))


def test_pages_show_every_item_once(client: TestClient) -> None:
    seen: list[str] = []
    user: Json = {"user_id": "u3"}
    while user is not None:
        result = recommend(client, user, k=50)["results"][0]
        seen += ids(result)
        cursor = result["next_cursor"]
        user = {"user_id": "u3", "cursor": cursor} if cursor else None  # type: ignore[assignment]
    assert sorted(seen) == ITEMS


def test_items_written_back_are_left_out_once_their_delay_is_over(client: TestClient) -> None:
    plain = recommend(client, {"user_id": "u9"}, k=3)["results"][0]
    later = recommend(client, {"user_id": "u9"}, k=3, write_back_seconds=3600)["results"][0]
    at_once = recommend(client, {"user_id": "u9"}, k=3, write_back_seconds=0)["results"][0]
    assert ids(plain) == ids(later) == ids(at_once), "nothing counted as seen yet"
    opted_in = recommend(client, {"user_id": "u9"}, k=3, write_back_seconds=3600)["results"][0]
    assert not set(ids(opted_in)) & set(ids(plain))
    assert ids(recommend(client, {"user_id": "u9"}, k=3)["results"][0]) == ids(plain)


def test_returns_the_requested_fields_alone(client: TestClient) -> None:
    fields = ["title", "impression_id"]
    result = recommend(client, {"user_id": "u3"}, k=2, fields=fields)["results"][0]
    assert [set(item) for item in result["items"]] == [{"item_id", *fields}] * 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"users": []}, "users: List should have at least 1 item"),
        ({"users": [{}] * 50, "k": 100}, "users times k must be at most 1000, got 5000"),
        ({"users": [{"cursor": "eJyLBgABFQC5"}]}, "cursor: 'eJyLBgABFQC5' is not the next_cursor"),
        ({"users": [{"cursor": "%%"}]}, "cursor: '%%' is not the next_cursor"),
        ({"users": [{}], "fields": ["colour"]}, "fields.0: Input should be 'item_id'"),
        ({"users": [{}], "context": {"locale": "english!"}}, "context.locale: String should match"),
        ({"users": [{"events": [{"item_id": "i1", "event_type": "search"}]}]}, "event_type"),
        ({"users": [{}], "category": "TOYS"}, "no item is in the category 'TOYS'"),
    ],
)
def test_rejects_an_invalid_request(client: TestClient, body: Json, words: str) -> None:
    answer = client.post("/v1/recommendations", json=body)
    assert answer.status_code == 422, answer.text
    assert words in answer.json()["detail"]


def rank(client: TestClient, **body: Any) -> Json:
    answer = client.post("/v1/rank", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_ranks_as_recommendations_do_without_weights(client: TestClient) -> None:
    recommended = ids(recommend(client, {"user_id": "u3"}, k=20)["results"][0])
    items = [{"item_id": each} for each in sorted(recommended)]
    answer = rank(client, items=items, user_id="u3", k=20, reasons=True)
    assert ids(answer) == recommended
    assert [item["contributions"][0]["rank"] for item in answer["items"]] == list(range(1, 21))
    assert any(item["reason"] for item in answer["items"])
    assert answer["slate_id"] and all(item["impression_id"] for item in answer["items"])


def test_weighted_fields_move_items_and_say_by_how_much(client: TestClient) -> None:
    order = ids(rank(client, items=[{"item_id": each} for each in ITEMS[:3]], user_id="u3"))
    last = order[-1]
    items = [{"item_id": each, "fields": {"margin": float(each == last)}} for each in ITEMS[:3]]
    answer = rank(client, items=items, user_id="u3", weights={"margin": 10})
    assert ids(answer)[0] == last
    for item in answer["items"]:
        total = sum(each["contribution"] for each in item["contributions"])
        assert item["score"] == pytest.approx(total)
    relevance, margin = answer["items"][0]["contributions"]
    assert (relevance["name"], relevance["rank"]) == ("relevance", 3)
    assert (margin["name"], margin["value"], margin["rank"]) == ("margin", 1.0, 1)
    cheapest = rank(client, items=items, user_id="u3", weights={"margin": -10})
    assert ids(cheapest)[-1] == last


def test_items_that_the_catalogue_lacks_are_ranked_by_their_fields(client: TestClient) -> None:
    items = [{"item_id": "new", "fields": {"margin": 1}}, {"item_id": "i001"}]
    answer = rank(client, items=items, weights={"margin": 5})
    assert answer["unknown"] == ["new"] and ids(answer) == ["new", "i001"]
    assert answer["items"][0]["title"] is None and answer["slate_id"] is None
    assert ids(rank(client, items=items)) == ["i001", "new"]
    assert ids(rank(client, items=[{"item_id": "new"}])) == ["new"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"items": []}, "items: List should have at least 1 item"),
        ({"items": [{"item_id": "i1"}, {"item_id": "i1"}]}, "items must not repeat 'i1'"),
        ({"items": [{"item_id": "i1"}], "weights": {"x": 1}}, "weights has 'x', which no item has"),
        ({"items": [{"item_id": "i1", "fields": {"x": "much"}}]}, "items.0.fields.x: Input"),
        ({"items": [{"item_id": "i1", "fields": {"": 1}}]}, "items.0.fields"),
    ],
)
def test_rejects_invalid_candidates(client: TestClient, body: Json, words: str) -> None:
    answer = client.post("/v1/rank", json=body)
    assert answer.status_code == 422, answer.text
    assert words in answer.json()["detail"]
