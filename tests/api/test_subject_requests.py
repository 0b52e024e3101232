"""People's requests over HTTP."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from penchant.api.app import create_app
from penchant.api.auth.tokens import PRIVACY, Tokens
from penchant.feedback.log import FeedbackLog
from penchant.settings import Settings


@pytest.fixture
def client(settings: Settings) -> TestClient:
    """A home that holds one event of u1."""
    FeedbackLog.of(settings).append(
        "events",
        [
            {
                "event_id": "e1",
                "user_id": "u1",
                "session_id": "s1",
                "event_type": "view",
                "item_id": "i1",
                "quantity": None,
                "event_at": "2026-03-01 10:00:00",
                "received_at": "2026-03-01 10:00:00",
            }
        ],
    )
    _, secret = Tokens(settings).make("officer", [PRIVACY])
    return TestClient(create_app(settings), headers={"Authorization": f"Bearer {secret}"})


def asked(client: TestClient, kind: str, user_id: str = "u1") -> Any:
    return client.post("/v1/subjects/requests", json={"user_id": user_id, "kind": kind})


def test_an_erasure_is_registered_once_and_in_force(client: TestClient, settings: Settings) -> None:
    first, again = asked(client, "erase"), asked(client, "erase")
    assert first.status_code == again.status_code == 202 and first.json() == again.json()
    assert first.json()["state"] == "requested"
    assert client.get("/v1/subjects/requests").json()["requests"] == [first.json()]
    receipt = client.get("/v1/subjects/receipt", params={"request_id": first.json()["request_id"]})
    assert receipt.status_code == 404


def test_an_objection_can_be_withdrawn(client: TestClient) -> None:
    assert asked(client, "object").status_code == 202
    assert client.delete("/v1/subjects/objection", params={"user_id": "u1"}).status_code == 200
    assert client.delete("/v1/subjects/objection", params={"user_id": "u1"}).status_code == 404


def test_an_export_has_what_waits_to_land(client: TestClient) -> None:
    held = client.get("/v1/subjects/export", params={"user_id": "u1"}).json()["held"]
    assert [each["place"] for each in held] == ["feedback/events"]
    assert held[0]["rows"][0]["event_id"] == "e1"


def test_an_unknown_person_is_not_found(client: TestClient) -> None:
    assert asked(client, "erase", "nobody").status_code == 404
    assert client.get("/v1/subjects/export", params={"user_id": "nobody"}).status_code == 404


def test_other_scopes_are_not_enough(client: TestClient, settings: Settings) -> None:
    _, secret = Tokens(settings).make("service", ["recommendations:read", "events:write"])
    answer = client.get(
        "/v1/subjects/export",
        params={"user_id": "u1"},
        headers={"Authorization": f"Bearer {secret}"},
    )
    assert answer.status_code == 403


def test_every_route_is_audited_without_ids(client: TestClient, settings: Settings) -> None:
    request_id = asked(client, "object").json()["request_id"]
    client.get("/v1/subjects/requests")
    client.get("/v1/subjects/export", params={"user_id": "u1"})
    client.get("/v1/subjects/receipt", params={"request_id": request_id})
    client.delete("/v1/subjects/objection", params={"user_id": "u1"})
    client.get("/v1/subjects/export", params={"user_id": "u1"}, headers={"Authorization": ""})
    (file,) = settings.audit.iterdir()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["route"].rpartition("/")[2], line["status"]) for line in lines] == [
        ("requests", 202),
        ("requests", 200),
        ("export", 200),
        ("receipt", 404),
        ("objection", 200),
        ("export", 401),
    ]
    assert {line["scope"] for line in lines[:-1]} == {PRIVACY}
    routes = {route.path for route in client.app.routes if "/subjects/" in route.path}
    assert {line["route"] for line in lines} == routes
    assert not any("u1" in json.dumps(line) for line in lines)
