"""The HTTP reader: Feast's wire format, precise refusals, nothing that writes."""

import pytest
from fastapi.testclient import TestClient
from feature_home import write_snapshot

from penchant.serving.feature_repository import open_features
from penchant.serving.features import materialize
from penchant.serving.http.api import create_app
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
def test_the_answer_is_what_feasts_server_answers(
    client: TestClient, once: Settings, body: dict
) -> None:
    from feast.feature_server import get_app

    theirs = TestClient(get_app(open_features(once, A))).post("/get-online-features", json=body)
    ours = client.post("/get-online-features", json=body)
    assert ours.status_code == theirs.status_code == 200
    assert by_name(ours.json()) == by_name(theirs.json())
    assert ours.headers["penchant-snapshot"] == A


def by_name(answer: dict) -> dict:
    """Each feature's values, statuses and times: Feast orders features by a set, so by chance."""
    assert answer.keys() == {"results", "metadata"}
    names = answer["metadata"]["feature_names"]
    return dict(zip(names, answer["results"], strict=True))


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (PORTRAIT | {"feature_service": "chat"}, "no feature service is called 'chat'"),
        (PORTRAIT | {"features": ["a:b"]}, "both feature_service and features"),
        ({"entities": {"user_id": ["u1"]}}, "names no feature"),
        (
            {"features": ["nothing:at_all"], "entities": {"user_id": ["u1"]}},
            "no feature view online is called 'nothing'",
        ),
        (
            {"features": ["user_statistics:secret"], "entities": {"user_id": ["u1"]}},
            "view user_statistics has no feature 'secret'",
        ),
        ({"features": ["spend_28d"], "entities": {}}, "'spend_28d' is not a feature reference"),
        (PORTRAIT | {"entities": {"shop_id": ["s1"]}}, "need the entity key user_id"),
        (PORTRAIT | {"entities": {}}, "need the entity key user_id"),
        (PORTRAIT | {"entities": {"user_id": []}}, "entities have no rows"),
        (PORTRAIT | {"entities": {"user_id": [7]}}, "user_id[0] is 7, which is not a string"),
        (PORTRAIT | {"entities": {"user_id": [None]}}, "user_id[0] is None"),
        (
            PORTRAIT | {"entities": {"user_id": ["u1"], "category": ["c1"]}},
            "do not have the entity key category",
        ),
        ({"feature_service": "portrait"}, "entities: Field required"),
        (PORTRAIT | {"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_a_mistake_is_named(client: TestClient, body: dict, detail: str) -> None:
    response = client.post("/get-online-features", json=body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert detail in response.json()["detail"]


def test_it_follows_the_pointer(settings: Settings) -> None:
    client = TestClient(create_app(settings))
    for mark, snapshot_id in enumerate((A, B), start=1):
        write_snapshot(settings, snapshot_id, mark=mark)
        materialize(settings, snapshot_id)
    answer = client.post("/get-online-features", json=PORTRAIT)
    assert answer.headers["penchant-snapshot"] == B
    assert by_name(answer.json())["spend_28d"]["values"][0] == 2001.0


def test_health_is_alive_and_ready_is_features(settings: Settings) -> None:
    client = TestClient(create_app(settings))
    assert client.get("/healthz").status_code == 200
    not_ready = client.get("/readyz")
    assert not_ready.status_code == 503
    assert "no features are online yet" in not_ready.json()["detail"]
    assert client.post("/get-online-features", json=PORTRAIT).status_code == 503
    write_snapshot(settings, A)
    materialize(settings, A)
    assert client.get("/readyz").json() == {"status": "ok", "snapshot_id": A}


def test_nothing_writes(client: TestClient) -> None:
    for path in ("/push", "/write-to-online-store", "/materialize", "/materialize-incremental"):
        assert client.post(path, json={}).status_code == 404
