"""Online features over HTTP: Feast's wire format, precise errors, access by feature class."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from feast.errors import FeastError
from feature_home import edit_manifest, write_snapshot

from penchant.api.app import create_app
from penchant.api.auth.tokens import SCOPES, Tokens
from penchant.api_schemas import MAX_ENTITIES
from penchant.errors import DataError
from penchant.features.materialize import materialize
from penchant.features.repository import open_features
from penchant.settings import Settings

A, B = "s-20180102-00000000000a", "s-20180102-00000000000b"
PORTRAIT = {"feature_service": "portrait", "entities": {"user_id": ["u1", "u4", "nobody"]}}


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with features online, which these tests only read."""
    settings = Settings(_env_file=None, home=tmp_path_factory.mktemp("api"))
    write_snapshot(settings, A)
    materialize(settings, A)
    return settings


@pytest.fixture(scope="module")
def client(once: Settings) -> TestClient:
    return TestClient(create_app(once))


@pytest.mark.parametrize(
    "body",
    [
        PORTRAIT,
        PORTRAIT | {"full_feature_names": True},
        {
            "features": ["user_category_statistics:affinity"],
            "entities": {"user_id": ["u1", "u2"], "category": ["c1", "nothing"]},
        },
    ],
)
def test_answers_as_feasts_server_does(client: TestClient, once: Settings, body: dict) -> None:
    from feast.feature_server import get_app

    theirs = TestClient(get_app(open_features(once, A))).post("/get-online-features", json=body)
    ours = client.post("/get-online-features", json=body)
    assert ours.status_code == theirs.status_code == 200
    expected = by_name(theirs.json())
    for result in expected.values():  # Feast's own client can't read an empty array
        result["values"] = [None if value == [] else value for value in result["values"]]
    assert by_name(ours.json()) == expected
    assert ours.headers["penchant-snapshot"] == A


def by_name(answer: dict) -> dict:
    """Each feature's values, statuses and times: Feast orders features by a set, so by chance."""
    assert answer.keys() == {"results", "metadata"}
    names = answer["metadata"]["feature_names"]
    return dict(zip(names, answer["results"], strict=True))


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (PORTRAIT | {"feature_service": "chat"}, "unknown feature service 'chat'"),
        (PORTRAIT | {"features": ["a:b"]}, "both feature_service and features"),
        ({"entities": {"user_id": ["u1"]}}, "has no features"),
        (
            {"features": ["nothing:at_all"], "entities": {"user_id": ["u1"]}},
            "unknown feature view 'nothing'",
        ),
        (
            {"features": ["user_statistics:secret"], "entities": {"user_id": ["u1"]}},
            "view user_statistics has no feature 'secret'",
        ),
        ({"features": ["spend_28d"], "entities": {}}, "'spend_28d' is not a feature reference"),
        (PORTRAIT | {"entities": {"shop_id": ["s1"]}}, "missing entity key user_id"),
        (PORTRAIT | {"entities": {}}, "missing entity key user_id"),
        (PORTRAIT | {"entities": {"user_id": []}}, "entities have no values"),
        (PORTRAIT | {"entities": {"user_id": [7.5]}}, "user_id[0] must be a string, got 7.5"),
        (PORTRAIT | {"entities": {"user_id": [True]}}, "user_id[0] must be a string, got True"),
        (PORTRAIT | {"entities": {"user_id": [None]}}, "user_id[0] must be a string, got None"),
        (
            PORTRAIT | {"entities": {"user_id": ["u1"], "category": ["c1"]}},
            "unknown entity key category",
        ),
        ({"feature_service": "portrait"}, "entities: Field required"),
        (PORTRAIT | {"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_rejects_invalid_requests_in_feasts_format(
    client: TestClient, body: dict, detail: str
) -> None:
    """As an error that Feast's client raises again, or as a problem document if Accept names it."""
    response = client.post("/get-online-features", json=body)
    assert response.status_code == 422
    error = FeastError.from_error_detail(response.json())
    assert isinstance(error, FeastError) and detail in str(error)
    accept = {"accept": "application/problem+json"}
    problem = client.post("/get-online-features", json=body, headers=accept)
    assert problem.headers["content-type"] == "application/problem+json"
    assert detail in problem.json()["detail"]


def test_reads_numeric_keys_as_text(client: TestClient) -> None:
    body = PORTRAIT | {"entities": {"user_id": [1, 4]}}
    assert by_name(client.post("/get-online-features", json=body).json())["user_id"]["values"] == [
        "1",
        "4",
    ]


def test_reads_the_snapshot_that_is_live(settings: Settings) -> None:
    client = TestClient(create_app(settings))
    for mark, snapshot_id in enumerate((A, B), start=1):
        write_snapshot(settings, snapshot_id, mark=mark)
        materialize(settings, snapshot_id)
    answer = client.post("/get-online-features", json=PORTRAIT)
    assert answer.headers["penchant-snapshot"] == B
    assert by_name(answer.json())["spend_28d"]["values"][0] == 2001.0


def test_is_ready_once_features_and_a_release_are_live(settings: Settings) -> None:
    client = TestClient(create_app(settings))
    assert client.get("/healthz").status_code == 200
    not_ready = client.get("/readyz")
    assert not_ready.status_code == 503
    assert "no features are online" in not_ready.json()["detail"]
    assert client.post("/get-online-features", json=PORTRAIT).status_code == 503
    write_snapshot(settings, A)
    materialize(settings, A)
    not_yet = client.get("/readyz")
    assert not_yet.status_code == 503 and "no release is live" in not_yet.json()["detail"]
    assert client.post("/get-online-features", json=PORTRAIT).status_code == 200


def test_answers_rows_in_request_order(client: TestClient) -> None:
    answer = client.post(
        "/v1/features",
        json={
            "service": "portrait",
            "entities": [{"user_id": each} for each in ("u4", "u?", "u1")],
        },
    )
    assert answer.status_code == 200
    assert answer.json()["snapshot_id"] == A
    rows = answer.json()["rows"]
    assert [row["user_id"] for row in rows] == ["u4", "u?", "u1"]
    assert [row["user_statistics__spend_28d"] for row in rows] == [1004.0, None, 1001.0]
    assert rows[0]["user_statistics__last_seen_at"].startswith("2017-12-01T10:20:30")
    assert rows[1]["user_affinities__top_categories"] is None


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"service": "chat"}, "unknown feature service 'chat'"),
        ({"service": "portrait", "features": ["a:b"]}, "both service and features"),
        ({}, "has no features"),
        ({"service": "portrait", "entities": []}, "at least 1 item"),
        (
            {"service": "portrait", "entities": [{"user_id": "u1"}] * (MAX_ENTITIES + 1)},
            "at most 500",
        ),
        ({"service": "portrait", "entities": [{"user_id": 7}]}, "valid string"),
        ({"service": "portrait", "entities": [{"user_id": "u1"}, {}]}, "entity row 1 has the keys"),
        ({"features": ["user_statistics:is_new"] * 2}, "twice"),
        ({"service": "portrait", "entities": [{"item_id": "i1"}]}, "missing entity key user_id"),
    ],
)
def test_rejects_invalid_requests(client: TestClient, body: dict, detail: str) -> None:
    response = client.post("/v1/features", json={"entities": [{"user_id": "u1"}]} | body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert detail in response.json()["detail"]


@pytest.fixture(scope="module")
def ask(once: Settings, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Asks for features with a token of some scope."""
    home = tmp_path_factory.mktemp("guarded")
    for name in ("snapshots", "online"):
        (home / name).symlink_to(once.home / name)
    guarded = once.model_copy(update={"home": home})
    tokens = Tokens(guarded)
    secrets = {scope: tokens.make(scope, [scope])[1] for scope in SCOPES}
    client = TestClient(create_app(guarded))

    def post(scope: str, path: str, **body: Any) -> Any:
        headers = {"authorization": f"Bearer {secrets[scope]}"}
        return client.post(path, json=body, headers=headers)

    return post


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ("features:read", 403),
        ("features:read:quasi", 200),
        ("features:read:direct", 200),
        ("admin", 200),
        ("recommendations:read", 403),
    ],
)
def test_requires_the_scope_of_the_most_personal_feature(
    ask: Callable[..., Any], scope: str, status: int
) -> None:
    rows = {"entities": [{"user_id": "u1"}]}
    assert ask(scope, "/v1/features", service="portrait", **rows).status_code == status
    wire = ask(scope, "/get-online-features", **PORTRAIT)
    assert wire.status_code == status
    mild = ask(scope, "/v1/features", features=["user_statistics:spend_28d"], **rows)
    assert mild.status_code == (403 if scope == "recommendations:read" else 200)


def test_denial_names_features_and_scope(ask: Callable[..., Any]) -> None:
    answer = ask("features:read", "/get-online-features", **PORTRAIT)
    message = str(FeastError.from_error_detail(answer.json()))
    assert "may not read user_affinities:top_categories: " in message
    assert message.endswith("use a token with the scope features:read:quasi")


def test_rejects_an_unknown_pii_class_before_materializing(settings: Settings) -> None:
    folder = write_snapshot(settings, A)

    def misspell(nodes: dict[str, Any]) -> None:
        columns = nodes["model.penchant.user_affinities"]["columns"]
        columns["top_categories"]["config"]["meta"]["pii"] = "quasy"

    edit_manifest(folder, misspell)
    with pytest.raises(DataError, match="top_categories: unknown pii class 'quasy'"):
        materialize(settings, A)
