"""Events that a client reads, deletes and imports."""

from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from fresh_shop import with_encoder
from small_shop import snapshot_id

from penchant.api.app import create_app
from penchant.api.auth.tokens import Tokens
from penchant.ingestion.ingest import ingest
from penchant.publishing.publish import publish

Json = dict[str, Any]


@pytest.fixture
def client(shop: Any) -> TestClient:
    with_encoder(shop, 1)
    publish(shop.settings, snapshot_id(1))
    return with_token(shop, "checkout")


def with_token(shop: Any, name: str) -> TestClient:
    _, secret = Tokens(shop.settings).make(name, ["admin"])
    headers = {"authorization": f"Bearer {secret}"}
    return TestClient(create_app(shop.settings), headers=headers)


def event(event_id: str, **changes: Any) -> Json:
    given = {"event_id": event_id, "user_id": "u3", "session_id": "s1", "event_type": "purchase"}
    return given | {"item_id": "i099", "event_at": datetime.now(UTC).isoformat()} | changes


def send(client: TestClient, path: str, *events: Json) -> None:
    answer = client.post(path, json={"events": list(events)})
    assert answer.status_code == 202, answer.text


def listed(client: TestClient) -> list[str]:
    answer = client.get("/v1/events", params={"user_id": "u3"})
    assert answer.status_code == 200, answer.text
    return [each["event_id"] for each in answer.json()["events"]]


def delete(client: TestClient, *event_ids: str) -> Any:
    return client.delete("/v1/events", params={"user_id": "u3", "event_id": event_ids})


def test_lists_what_this_client_sent_landed_or_not(client: TestClient, shop: Any) -> None:
    send(client, "/v1/events", event("e-1", value=2.5), event("e-2", user_id="u4"))
    send(with_token(shop, "search"), "/v1/events", event("e-3"))
    assert listed(client) == ["e-1"]
    ingest(shop.settings, "feedback", now=datetime.now(UTC).replace(tzinfo=None))
    send(client, "/v1/events", event("e-4"))
    assert listed(client) == ["e-4", "e-1"]
    (_, first) = client.get("/v1/events", params={"user_id": "u3"}).json()["events"]
    assert (first["value"], first["item_id"]) == (2.5, "i099")


def test_deleted_event_is_gone_from_answers_at_once(client: TestClient) -> None:
    asked = {"user_id": "u3", "k": 20}
    before = client.get("/v1/recommendations", params=asked).json()["origin"]
    send(client, "/v1/events", event("e-1"))
    assert client.get("/v1/recommendations", params=asked).json()["origin"] != before
    assert delete(client, "e-1").json() == {"deleted": 1}
    assert client.get("/v1/recommendations", params=asked).json()["origin"] == before
    assert client.get("/v1/activity", params={"user_id": "u3"}).json()["events_since"] == {}
    assert listed(client) == []
    assert delete(client, "e-1").json() == {"deleted": 0}


def test_deletes_nothing_if_an_event_is_unknown_or_of_another_client(
    client: TestClient, shop: Any
) -> None:
    send(client, "/v1/events", event("e-1"))
    for other, ids in ((client, ("e-1", "e-9")), (with_token(shop, "search"), ("e-1",))):
        answer = delete(other, *ids)
        assert answer.status_code == 404 and "unknown event" in answer.json()["detail"]
    assert listed(client) == ["e-1"]


def test_imported_events_wait_for_the_next_snapshot(client: TestClient, shop: Any) -> None:
    old = event("old-1", event_at="2015-06-01T08:00:00Z")
    refused = client.post("/v1/events", json={"events": [old]})
    assert refused.status_code == 422 and "within 30 days" in refused.json()["detail"]
    send(client, "/v1/events/import", old)
    assert listed(client) == ["old-1"]
    assert client.get("/v1/activity", params={"user_id": "u3"}).json()["events_since"] == {}
    report = ingest(shop.settings, "feedback", now=datetime.now(UTC).replace(tzinfo=None))
    assert {batch["table"] for batch in report.landed} == {"history"} and report.quarantined == []
    assert delete(client, "old-1").json() == {"deleted": 1}


@pytest.mark.parametrize(
    ("method", "path", "params", "words"),
    [
        ("GET", "/v1/events", {}, "user_id: Field required"),
        ("GET", "/v1/events", {"user_id": "u3", "k": 0}, "k: Input should be greater than"),
        ("DELETE", "/v1/events", {"user_id": "u3"}, "event_id: Field required"),
        ("DELETE", "/v1/events", {"user_id": "u3", "event_id": "e", "all": "1"}, "parameter 'all'"),
    ],
)
def test_rejects_invalid_parameters(
    client: TestClient, method: str, path: str, params: Json, words: str
) -> None:
    answer = client.request(method, path, params=params)
    assert answer.status_code == 422 and words in answer.json()["detail"], answer.text
