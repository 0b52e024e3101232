"""Valid and invalid requests generated from the OpenAPI description, and hand-written ones.

Every response conforms to the description; none is a server error, and rejections are problem
documents that say why.
"""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, openapi
from schemathesis.checks import CHECKS, load_all_checks
from small_shop import ITEMS, USERS

from penchant.api.app import create_app
from penchant.api.auth.tokens import Tokens
from penchant.api.http.body import MAX_BODY_BYTES
from penchant.publishing.publish import publish
from penchant.settings import Settings

ONE = "s-20180102-000000000001"
EXAMPLES = 10  # for each operation, fitting and breaking its description
CHECKED = [
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
]
WITHOUT = {  # plans, insights, events to delete, a complete erasure, an objection
    "GET /v1/ads": 503,
    "GET /v1/campaign_users": 404,
    "GET /v1/demand": 503,
    "GET /v1/restock": 503,
    "GET /v1/audience": 503,
    "GET /v1/fading": 503,
    "GET /v1/retention": 503,
    "GET /v1/search": 503,
    "GET /v1/competitors": 503,
    "GET /v1/voice": 503,
    "GET /v1/answers": 503,
    "DELETE /v1/events": 404,
    "GET /v1/subjects/receipt": 404,
    "DELETE /v1/subjects/objection": 404,
}
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def api(shop_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    home = tmp_path_factory.mktemp("fuzz") / "home"
    shutil.copytree(shop_once, home)
    served = Settings(_env_file=None, home=home, threads=1, requests_a_second=1e9)
    publish(served, ONE)
    served.live_features.flip(ONE)
    _, secret = Tokens(served).make("fuzz", ["admin"])
    with TestClient(create_app(served), raise_server_exceptions=False) as client:
        client.headers["authorization"] = f"Bearer {secret}"
        yield client


def known(value: Any, draw: Any, wholly: bool) -> Any:
    """Replace values by ones that exist in the shop: three of four of them or, if ``wholly``, all,
    including optional features."""
    if isinstance(value, list):
        return [known(each, draw, wholly) for each in value]
    if not isinstance(value, dict):
        return value
    if wholly and "entities" in value:
        value = {"features": None, **value}
    item_id, user_id = draw(st.sampled_from(ITEMS)), draw(st.sampled_from(USERS))
    ours = {
        "user_id": user_id,
        "item_id": item_id,
        "event_at": datetime.now(UTC).isoformat(),
        "events": [event()],
        "features": ["item_profile:title"],
        "service": None,
        "feature_service": None,
        "entities": [{"item_id": item_id}]
        if isinstance(value.get("entities"), list)
        else {"item_id": [item_id]},
    }
    return {
        key: ours[key]
        if key in ours and (wholly or draw(st.integers(0, 3)))
        else known(inner, draw, wholly)
        for key, inner in value.items()
    }


def fuzz(api: TestClient, operation: Any, mode: GenerationMode) -> set[int]:
    """Send generated requests to an operation; returns the statuses of the responses."""
    statuses = set()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    def ask(case: Any, data: st.DataObject) -> None:
        wholly = data.draw(st.booleans())
        case.query = known(case.query, data.draw, wholly)
        case.body = known(case.body, data.draw, wholly)
        case.headers["authorization"] = api.headers["authorization"]
        response = case.call()
        case.validate_response(response, checks=CHECKS.get_by_names(CHECKED))
        assert response.status_code < 500 or response.status_code == WITHOUT.get(operation.label), (
            response.text
        )
        statuses.add(response.status_code)

    ask()
    return statuses


def test_responses_conform_to_the_openapi_description(api: TestClient) -> None:
    load_all_checks()
    for found in openapi.from_asgi("/openapi.json", api.app).get_all_operations():
        operation = found.ok()
        fits = fuzz(api, operation, GenerationMode.POSITIVE)
        assert fits & {200, 202, WITHOUT.get(operation.label)}, f"{operation.label} never succeeded"
        if operation.query or operation.body:
            assert fuzz(api, operation, GenerationMode.NEGATIVE) >= {422}, operation.label


def event(**changes: Any) -> dict[str, Any]:
    given = {"event_id": "e1", "user_id": "u3", "session_id": "s", "event_type": "view"}
    return given | {"item_id": "i001", "event_at": datetime.now(UTC).isoformat()} | changes


def refused(answer: Any, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("user_id=u3&k=1e3", "k: Input should be a valid integer"),
        ("user_id=u3&k=99999999999999999999", "k: Input should be less than"),
        ("user_id=u3&k=NaN", "k: Input should be a valid integer"),
        ("user_id=u3&kk=3", "unknown query parameter 'kk'"),
        ("user_id=u3&user_id=u4", "'user_id' is repeated"),
        ("user_id=%ff", "percent-encoded UTF-8"),
        ("user_id=%zz", "percent-encoded UTF-8"),
        ("user_id=%00", "should match pattern"),
        ("user_id=%C2%80", "must not contain control characters"),
        ("user_id=%20", "must not be blank"),
        (f"user_id={'x' * 129}", "at most 128 characters"),
    ],
)
def test_rejects_ambiguous_or_invalid_queries(api: TestClient, query: str, words: str) -> None:
    refused(api.get(f"/v1/recommendations?{query}"), 422, words)


FUTURE = "2099-01-01T00:00:00Z"
BODIES = {
    "duplicate key": ('{"events": [], "events": []}', "duplicate key 'events'"),
    "NaN": ('{"events": [{"value": NaN}]}', "NaN and Infinity are not allowed"),
    "huge number": (f'{{"events": [{{"quantity": {"9" * 5000}}}]}}', "limit"),
    "unpaired surrogate": (json.dumps({"events": [event(user_id="\ud800")]}), "unpaired surrogate"),
    "another encoding": (json.dumps({"events": [event()]}).encode("utf-16"), "not UTF-8"),
    "no encoding": (b'{"events": "\xff"}', "not UTF-8"),
    "two documents": ("{} {}", "Extra data"),
    "unterminated string": ('{"a": "\\', "Unterminated string"),
    "deep nesting": ("[" * 13 + "]" * 13, "nested more than 12 levels deep"),
    "unclosed nesting": ("[" * 10_000, "nested more than 12 levels deep"),
    "many lists": ("[" * 100_000, "more than 20,000 lists and objects"),
    "many errors": (json.dumps({"events": [{}] * 500}), "and 2490 more"),
    "future time": (json.dumps({"events": [event(event_at=FUTURE)]}), "must not be in the future"),
    "invalid year": (json.dumps({"events": [event(event_at="10000-01-01T00:00:00Z")]}), "event_at"),
    "maximum time": (
        json.dumps({"events": [event(event_at="9999-12-31T23:59:59-23:59")]}),
        "must not be in the future",
    ),
    "boolean quantity": (json.dumps({"events": [event(quantity=True)]}), "valid integer"),
    "blank id": (json.dumps({"events": [event(user_id=" ")]}), "must not be blank"),
}


@pytest.mark.parametrize("name", BODIES)
def test_rejects_ambiguous_or_invalid_bodies(api: TestClient, name: str) -> None:
    body, words = BODIES[name]
    refused(api.post("/v1/events", content=body, headers=JSON), 422, words)


def test_requires_a_json_content_type(api: TestClient) -> None:
    body = json.dumps({"events": [event()]})
    for headers in ({}, {"content-type": "text/plain"}, {"content-type": "multipart/form-data"}):
        refused(
            api.post("/v1/events", content=body, headers=headers),
            415,
            "Content-Type must be application/json",
        )
    charset = {"content-type": "application/json; charset=utf-8"}
    assert api.post("/v1/events", content=body, headers=charset).status_code == 202


def test_limits_the_size_of_chunked_bodies(api: TestClient) -> None:
    chunks = (b"x" * (MAX_BODY_BYTES // 4) for _ in range(5))
    refused(api.post("/v1/events", content=chunks, headers=JSON), 413, "more than 262,144 bytes")


def test_accepts_repeated_events(api: TestClient) -> None:
    """The response may have been lost; ingestion counts each ``event_id`` once."""
    twice = {"events": [event(), event()]}
    for _ in range(2):
        answer = api.post("/v1/events", json=twice)
        assert (answer.status_code, answer.json()["received"]) == (202, 2)
