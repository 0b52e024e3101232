"""User ids in requests and answers: pseudonyms inside, the ids of the request outside."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from penchant.api.app import create_app
from penchant.api.auth.tokens import PRIVACY, Tokens
from penchant.api.http.user_id_translation import Translation, UserIdTranslation
from penchant.feedback.log import FeedbackLog
from penchant.identities import Links
from penchant.pseudonyms import Coder, Pseudonyms
from penchant.settings import Settings
from penchant.subjects import Subjects
from penchant.vault import Vault

CODER = Coder.of_key(bytes(32))
ODD = 'Zoë "the <shop>" & co'
P = CODER.of("anna")


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    settings = Settings.model_validate({"home": tmp_path / "home", "threads": 1})
    Pseudonyms(settings).establish()
    return settings


@pytest.fixture
def client(home: Settings) -> TestClient:
    _, secret = Tokens(home).make(
        "service", ["events:write", "users:write", "features:read:direct", PRIVACY]
    )
    return TestClient(create_app(home), headers={"Authorization": f"Bearer {secret}"})


def event(user_id: str, **changes: object) -> dict[str, object]:
    now = datetime.now(UTC).isoformat()
    made = {"event_id": f"e-{user_id}", "user_id": user_id, "session_id": "s", "item_id": "i"}
    return made | {"event_type": "view", "event_at": now} | changes


def test_the_log_has_pseudonyms_and_the_answer_the_ids_that_were_sent(
    client: TestClient, home: Settings
) -> None:
    assert client.post("/v1/events", json={"events": [event("anna"), event(ODD)]}).is_success
    logged = [row["user_id"] for row in FeedbackLog.of(home).rows("events")]
    assert Vault(home).reveal(logged) == dict(zip(logged, ["anna", ODD], strict=True))
    for user_id in ("anna", ODD):
        answer = client.get("/v1/events", params={"user_id": user_id}).json()
        assert answer["user_id"] == user_id
        assert [each["event_id"] for each in answer["events"]] == [f"e-{user_id}"]
    by_pseudonym = client.get("/v1/events", params={"user_id": logged[0]}).json()
    assert by_pseudonym["user_id"] == logged[0] and len(by_pseudonym["events"]) == 1


@pytest.mark.parametrize("guest", ["guest-7", "session:guest-7"])
def test_a_guest_and_their_session_have_one_pseudonym(
    client: TestClient, home: Settings, guest: str
) -> None:
    client.post("/v1/events", json={"events": [event(guest, session_id="guest-7")]})
    (row,) = FeedbackLog.of(home).rows("events")
    assert row["session_id"] == row["user_id"] == Pseudonyms(home).of(guest)


def test_users_that_are_sent_have_pseudonyms(client: TestClient, home: Settings) -> None:
    assert client.put("/v1/users", json={"users": [{"user_id": "anna"}]}).is_success
    (row,) = FeedbackLog.of(home).rows("users")
    assert row["user_id"] == Pseudonyms(home).of("anna")


def test_requests_about_people_name_them_by_id(client: TestClient, home: Settings) -> None:
    client.post("/v1/events", json={"events": [event("anna")]})
    asked = client.post("/v1/subjects/requests", json={"user_id": "anna", "kind": "erase"})
    assert asked.json()["user_id"] == "anna"
    assert client.get("/v1/subjects/requests").json()["requests"][0]["user_id"] == "anna"
    (request,) = (home.privacy / "requests").iterdir()
    assert "anna" not in request.read_text()


def test_an_erased_person_does_not_return_to_the_vault(client: TestClient, home: Settings) -> None:
    pseudonym = Pseudonyms(home).of("anna")
    Subjects(home).request("erase", pseudonym, datetime(2026, 3, 1))
    assert client.post("/v1/events", json={"events": [event("anna")]}).is_success
    assert Vault(home).reveal([pseudonym]) == {}


@pytest.mark.parametrize("user_id", ["", " ", "a\x00b", "x" * 129])
def test_an_invalid_id_is_rejected_as_in_every_home(client: TestClient, user_id: str) -> None:
    assert client.get("/v1/events", params={"user_id": user_id}).status_code == 422
    answer = client.post("/v1/events", json={"events": [event(user_id)]})
    assert answer.status_code == 422 and "user_id" in answer.json()["detail"]


def test_a_pseudonym_of_another_home_is_rejected(client: TestClient, home: Settings) -> None:
    sent = client.post("/v1/events", json={"events": [event("bert"), event(P)]})
    asked = client.get("/v1/events", params={"user_id": P})
    for answer in (sent, asked):
        assert answer.status_code == 422
        assert "is a pseudonym of another home" in answer.json()["detail"]
        assert "user id of the source" in answer.json()["remedy"]
    assert not list(FeedbackLog.of(home).rows("events")) and not Vault(home).path.exists()


def test_a_rejected_request_leaves_nobody_in_the_vault(client: TestClient, home: Settings) -> None:
    client.post("/v1/events", json={"events": [event("anna", event_type="dance")]})
    client.get("/v1/events", params={"user_id": "bert"}, headers={"Authorization": "Bearer no"})
    assert not Vault(home).path.exists()


def test_events_are_accepted_while_the_vault_is_damaged(client: TestClient, home: Settings) -> None:
    Vault(home).path.write_bytes(b"x" * 5000)
    assert client.post("/v1/events", json={"events": [event("anna")]}).is_success


def test_without_the_homes_key_requests_get_503_and_its_cause(home: Settings) -> None:
    (home.privacy / "key").write_bytes(bytes(32))
    client = TestClient(create_app(home))
    for path in ("/readyz", "/v1/events"):
        answer = client.get(path, params={"user_id": "anna"})
        assert answer.status_code == 503 and "not the key of this home" in answer.json()["detail"]
    assert client.get("/healthz").is_success


def test_a_home_from_before_is_served_by_its_own_ids(settings: Settings) -> None:
    settings.live_snapshot.flip("s-20260101-0123456789ab")
    Pseudonyms(settings).establish()
    _, secret = Tokens(settings).make("service", ["events:write"])
    client = TestClient(create_app(settings), headers={"Authorization": f"Bearer {secret}"})
    assert client.post("/v1/events", json={"events": [event("bert")]}).is_success
    assert [row["user_id"] for row in FeedbackLog.of(settings).rows("events")] == ["bert"]


def test_ids_at_any_depth_of_a_body_are_translated() -> None:
    body = {"users": [{"user_id": "anna", "n": 1.5}], "user_id": None, "item_id": "anna"}
    body |= {"entities": {"user_id": ["anna", 7, True]}, "fields": {"user_id": 7}}
    translated = json.loads(Translation(CODER).body(json.dumps(body).encode()))
    assert translated == body | {
        "users": [{"user_id": P, "n": 1.5}],
        "entities": {"user_id": [P, CODER.of("7"), True]},
    }


def test_linked_ids_are_their_subjects() -> None:
    """The answer has the id that the request named; the vault remembers whose that very id is."""
    card = CODER.of("till:17")
    translation = Translation(CODER, Links({card: P}, {"till:900": "b"}))
    body = json.loads(translation.body(b'{"user_id": "till:17", "item_id": "till:900"}'))
    assert body == {"user_id": P, "item_id": "b"}
    assert translation.query(b"item_id=till:900&item_id=a") == b"item_id=b&item_id=a"
    assert translation.people == {card: "till:17"}
    answer = json.dumps({"user_id": P}).encode()
    assert json.loads(translation.text(answer, "application/json")) == {"user_id": "till:17"}
    assert Translation(None, Links({"till:17": "anna"})).query(b"user_id=till:17") == (
        b"user_id=anna"
    )


@pytest.mark.parametrize(
    ("query", "named"),
    [
        (b"user_id=till:18", "till:900"),
        (b"user_id=session:till:18", "till:900"),
        (b"item_id=till:900", "till:900"),
        (b"user_id=app:1", "b"),  # sells it under no id of its own
        (b"user_id=anna", "b"),
        (b"user_id=till:18&item_id=a", "b"),
        (b"k=1", "b"),
    ],
)
def test_items_have_the_ids_of_the_source_that_asks(query: bytes, named: str) -> None:
    links = Links({}, {"till:900": "b", "till:901": "b", "app:9": "z"})
    for coder in (CODER, None):
        translation = Translation(coder, links)
        translation.query(query)
        answer = {"items": [{"item_id": "b", "because": [{"item_id": "a"}], "title": "b"}]}
        found = translation.items(json.dumps(answer).encode(), "application/json")
        answer["items"][0]["item_id"] = named
        assert json.loads(found) == answer


def test_an_escaped_name_of_the_field_is_translated() -> None:
    assert P.encode() in Translation(CODER).body(rb'{"user\u005fid": "anna"}')
    assert P.encode() in Translation(CODER).query(b"user%5Fid=anna&k=1")


@pytest.mark.parametrize(
    ("content_type", "user_id", "expected"),
    [
        ("application/json", 'a"b', r"u-x <id>".replace("<id>", r"a\"b")),
        ("application/problem+json", "anna", "u-x anna"),
        ("text/html; charset=utf-8", "anna", "u-x anna"),
        ("text/html; charset=utf-8", "a&b", f"u-x {CODER.of('a&b')}"),
        ("image/svg+xml", "anna", f"u-x {P}"),
    ],
)
def test_answers_have_the_ids_in_the_form_of_their_type(
    content_type: str, user_id: str, expected: str
) -> None:
    translation = Translation(CODER)
    text = f"u-x {translation.of(user_id)}".encode()
    assert translation.text(text, content_type).decode() == expected


def test_only_ids_of_the_request_are_disclosed() -> None:
    translation = Translation(CODER)
    translation.of("anna")
    other = CODER.of("bert").encode()
    assert translation.text(other, "application/json") == other


@pytest.mark.anyio
async def test_an_answer_in_parts_is_translated_whole(home: Settings) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        user_id = scope["query_string"].split(b"=")[1]
        headers = [(b"content-type", b"application/json"), (b"content-length", b"32")]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": b'["' + user_id[:9], "more_body": True})
        await send({"type": "http.response.body", "body": user_id[9:] + b'"]'})

    transport = httpx.ASGITransport(UserIdTranslation(app, home))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        answer = await client.get("/x", params={"user_id": "anna"})
    assert answer.json() == ["anna"] and answer.headers["content-length"] == "8"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "status", "shown"),
    [("/v1/fading", 200, "bert"), ("/v1/fading", 403, None), ("/v1/popular", 200, None)],
)
async def test_lists_of_users_have_the_ids_of_the_vault(
    home: Settings, path: str, status: int, shown: str | None
) -> None:
    pseudonym = Pseudonyms(home).of("bert")
    Vault(home).remember({pseudonym: "bert"})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps([pseudonym]).encode()})

    transport = httpx.ASGITransport(UserIdTranslation(app, home))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        assert (await client.get(path)).json() == [shown or pseudonym]
