"""The ``/v1`` routes: complete responses, durable events, precise errors."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from small_shop import Shop

from penchant.api.app import create_app
from penchant.api.auth.tokens import Tokens
from penchant.api.http.body import MAX_BODY_BYTES
from penchant.feedback.log import FeedbackLog
from penchant.ingestion.ingest import ingest
from penchant.settings import Settings

ONE = "s-20180102-000000000001"


@pytest.fixture
def served(published: Any) -> Iterator[tuple[Any, TestClient]]:
    with TestClient(create_app(published.settings)) as client:
        yield published, client


@pytest.fixture(scope="module")
def served_to_all(
    published_once: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Any, TestClient]]:
    """For requests that change nothing."""
    home = tmp_path_factory.mktemp("v1") / "home"
    shutil.copytree(published_once, home)
    shop = Shop(Settings(_env_file=None, home=home, threads=1))
    with TestClient(create_app(shop.settings)) as client:
        yield shop, client


def logged(shop: Any, table: str) -> list[dict[str, Any]]:
    log = FeedbackLog.of(shop.settings)
    log.seal()
    return [
        json.loads(line) for file in log.sealed(table) for line in file.read_text().splitlines()
    ]


def event(**changes: Any) -> dict[str, Any]:
    given = {
        "event_id": "e1",
        "user_id": "u3",
        "session_id": "s1",
        "event_type": "view",
        "item_id": "i001",
        "event_at": datetime.now(UTC).isoformat(),
    }
    return given | changes


def test_logs_recommendations_as_shown(served: tuple[Any, TestClient]) -> None:
    shop, client = served
    answer = client.get("/v1/recommendations", params={"user_id": "u3", "k": 4}).json()
    assert answer["release_id"] == shop.settings.live_release.current()
    impressions = logged(shop, "impressions")
    assert [row["impression_id"] for row in impressions] == [
        item["impression_id"] for item in answer["items"]
    ]
    assert [row["item_id"] for row in impressions] == [item["item_id"] for item in answer["items"]]
    assert {row["policy"] for row in impressions} == {answer["policy"]}
    assert {row["release_id"] for row in impressions} == {answer["release_id"]}
    assert [row["score"] for row in impressions] == [item["score"] for item in answer["items"]]


def test_similar_items_name_their_release(
    served_to_all: tuple[Any, TestClient],
) -> None:
    shop, client = served_to_all
    answer = client.get("/v1/similar", params={"item_id": "i007", "k": 3}).json()
    assert answer["release_id"] == shop.settings.live_release.current()
    assert len(answer["items"]) == 3


def test_portrait_is_complete_and_of_the_live_release(
    served_to_all: tuple[Any, TestClient],
) -> None:
    shop, client = served_to_all
    response = client.get("/v1/portrait", params={"user_id": "u4"})
    answer = response.json()
    assert response.status_code == 200
    assert answer["release_id"] == shop.settings.live_release.current()
    assert (answer["snapshot_id"], answer["price_band"]) == (ONE, "standard")
    tea, pans = answer["interests"]
    assert tea == {
        "category": "FOOD > TEA",
        "weight": 0.7,
        "low": 0.5,
        "high": 0.8,
        "half_life_days": 9.0,
        "trend": 0.14,
        "evidence": 7.5,
        "transferred": 0.0,
    }
    assert pans["weight"] < tea["weight"]
    nothing_yet = client.get("/v1/portrait", params={"user_id": "u0"}).json()
    assert (nothing_yet["lifecycle_stage"], nothing_yet["interests"]) == ("prospect", [])


def test_stores_an_accepted_event_and_ingests_it(served: tuple[Any, TestClient]) -> None:
    shop, client = served
    shown = client.get("/v1/recommendations", params={"user_id": "u3", "k": 1}).json()["items"][0]
    click = event(item_id=shown["item_id"], impression_id=shown["impression_id"])
    accepted = client.post("/v1/events", json={"events": [click]})
    assert (accepted.status_code, accepted.json()) == (202, {"received": 1})
    (kept,) = logged(shop, "events")
    assert kept["impression_id"] == shown["impression_id"] and kept["received_at"]
    report = ingest(shop.settings, "feedback", now=datetime.now(UTC).replace(tzinfo=None))
    assert (len(report.landed), report.quarantined) == (3, [])


def test_dates_an_event_from_a_fast_clock_at_its_reception(served: tuple[Any, TestClient]) -> None:
    shop, client = served
    ahead = (datetime.now(UTC) + timedelta(seconds=115)).isoformat()
    client.post("/v1/events", json={"events": [event(event_at=ahead)]})
    (kept,) = logged(shop, "events")
    assert kept["event_at"] == kept["received_at"]


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"event_at": "2099-01-01T00:00:00Z"}, "in the future"),
        ({"event_at": "2001-01-01T00:00:00Z"}, "within 30 days"),
        ({"event_at": "2026-01-01T00:00:00"}, "timezone"),
        ({"event_type": "stare"}, "'view', 'search'"),
        ({"item_id": None}, "item_id is required unless event_type is search"),
        ({"quantity": -1}, "must not be negative unless event_type is return"),
        ({"user_id": ""}, "at least 1 character"),
        ({"user_id": "a\u0000b"}, "pattern"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_rejects_all_events_if_one_is_invalid(
    served_to_all: tuple[Any, TestClient], changes: dict[str, Any], detail: str
) -> None:
    shop, client = served_to_all
    refused = client.post("/v1/events", json={"events": [event(), event(**changes)]})
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert detail in refused.json()["detail"]
    assert logged(shop, "events") == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"events": []}', 422),
        (b"[" * 50 + b"]" * 50, 422),
        (b"x" * (MAX_BODY_BYTES + 1), 413),
        (b'{"events": [{"value": NaN}]}', 422),
        (b"not json", 422),
    ],
)
def test_rejects_an_invalid_body(
    served_to_all: tuple[Any, TestClient], body: bytes, status: int
) -> None:
    answer = served_to_all[1].post(
        "/v1/events", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/v1/recommendations", {"user_id": "u3", "k": 0}),
        ("/v1/recommendations", {"user_id": "u3", "k": 10**9}),
        ("/v1/recommendations", {"user_id": " \t"}),
        ("/v1/portrait", {}),
        ("/v1/trending", {"category": "unknown category"}),
        ("/v1/segment", {}),
    ],
)
def test_rejects_invalid_parameters(
    served_to_all: tuple[Any, TestClient], path: str, params: dict[str, Any]
) -> None:
    assert served_to_all[1].get(path, params=params).status_code == 422


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/v1/similar", {"item_id": "no such item"}),
        ("/v1/portrait", {"user_id": "nobody"}),
        ("/v1/segment", {"user_id": "nobody"}),
    ],
)
def test_answers_404_for_an_unknown_id(
    served: tuple[Any, TestClient], path: str, params: dict[str, Any]
) -> None:
    answer = served[1].get(path, params=params)
    assert answer.status_code == 404, answer.text
    assert f"unknown {'item' if 'item_id' in params else 'user'} 'no" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("option", "scope"), [("reasons", "reasons:read"), ("exclude_bought", "history:read")]
)
def test_what_tells_a_users_history_needs_a_scope_of_its_own(
    published: Any, option: str, scope: str
) -> None:
    """Lists with and without exclude_bought differ by what the user bought."""
    client, asked = TestClient(create_app(published.settings)), {"user_id": "u3", option: "true"}

    def statuses_with(*scopes: str) -> tuple[int, int]:
        _, secret = Tokens(published.settings).make("shop", scopes)
        headers = {"authorization": f"Bearer {secret}"}
        read = client.get("/v1/recommendations", params=asked, headers=headers)
        body = {"users": [{"user_id": "u3"}], option: True}
        return (
            read.status_code,
            client.post("/v1/recommendations", json=body, headers=headers).status_code,
        )

    assert statuses_with("recommendations:read") == (403, 403)
    assert statuses_with("recommendations:read", scope) == (200, 200)


def test_an_event_id_is_the_clients_and_the_users_own(served: tuple[Any, TestClient]) -> None:
    shop, client = served
    first = event(event_id="mine")

    def status(*events: dict[str, Any]) -> int:
        return client.post("/v1/events", json={"events": list(events)}).status_code

    before = len(logged(shop, "events"))
    assert status(first) == status(first) == 202
    assert status(first | {"user_id": "another"}) == 202
    assert status(first | {"item_id": "i002"}) == 409
    assert status(event(event_id="new"), event(event_id="new", item_id="i002")) == 409
    assert len(logged(shop, "events")) == before + 3


@pytest.mark.parametrize("path", ["/v1/recommendations", "/v1/portrait"])
def test_answers_503_before_the_first_release(shop: Any, path: str) -> None:
    answer = TestClient(create_app(shop.settings)).get(path, params={"user_id": "u3"})
    assert answer.status_code == 503 and "no release" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "query", "cause", "remedy"),
    [
        ("/v1/recommendations", {"user_id": "u01", "k": 0}, "k: ", "k: send 1 or more"),
        ("/v1/recommendations", {"user_id": "u01", "k": "x"}, "got 'x'", "k: send a whole number"),
        ("/v1/recommendations", {}, "user_id: Field required", "user_id: add it"),
        ("/v1/search", {"q": ""}, "q: ", "q: send 1 or more characters"),
        ("/v1/similar", {"item_id": "a\nb"}, "item_id: ", "item_id: fix it"),
    ],
)
def test_invalid_parameter_is_told_with_its_value_and_remedy(
    served_once: Any, path: str, query: dict[str, Any], cause: str, remedy: str
) -> None:
    answer = TestClient(create_app(served_once.settings)).get(path, params=query)
    assert answer.status_code == 422
    assert cause in answer.json()["detail"] and remedy in answer.json()["remedy"]


def test_unknown_event_type_is_told_with_the_known_ones(served_once: Any) -> None:
    client = TestClient(create_app(served_once.settings))
    answer = client.post("/v1/events", json={"events": [event(event_type="dance")]})
    assert answer.status_code == 422
    assert "events.0.event_type: " in answer.json()["detail"] and "'dance'" in answer.text
    assert "'view'" in answer.json()["remedy"]
    invalid = client.post("/v1/events", content="{", headers={"content-type": "application/json"})
    assert invalid.status_code == 422 and "JSON" in invalid.json()["remedy"]
