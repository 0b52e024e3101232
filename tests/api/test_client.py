"""The client against the API itself: its types, its errors, and what it tries again."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from penchant import client as client_of
from penchant.api.app import create_app
from penchant.client import ApiError, Client, Event, Unreachable, now
from penchant.publishing.publish import publish
from penchant.settings import Settings

ONE = "s-20180102-000000000001"


@pytest.fixture
def client(shop: Any) -> Iterator[Client]:
    publish(shop.settings, ONE)
    shop.settings.live_features.flip(ONE)
    api = TestClient(create_app(shop.settings))

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        got = api.request(
            request.method, path, content=request.read(), headers=dict(request.headers)
        )
        return httpx.Response(got.status_code, content=got.content, headers=dict(got.headers))

    with Client("http://127.0.0.1:6570", transport=httpx.MockTransport(answer)) as client:
        yield client


def test_what_a_service_does_in_a_visit(client: Client) -> None:
    shown = client.recommendations("u3", k=3, exclude_bought=True).items
    assert len(shown) == 3
    did = Event(
        event_id="e1",
        user_id="u3",
        session_id="s1",
        event_type="view",
        event_at=now(),
        item_id=shown[0].item_id,
        impression_id=shown[0].impression_id,
    )
    assert client.send([did]) == 1
    assert len(client.similar("i007", k=2).items) == 2
    assert client.basket(["i007", "i008"], k=2).items
    assert client.portrait("u3").interests[0].category == "HOME > PANS"
    rows = client.features(["item_profile:title"], [{"item_id": "i001"}]).rows
    assert rows == [{"item_id": "i001", "item_profile__title": "TITLE i001 OF 1"}]


def test_the_documented_example_runs(
    client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Path(__file__).parents[2] / "docs" / "service-developers.md"
    (example,) = re.findall(r"## From Python\n\n```python\n(.*?)```", page.read_text(), re.DOTALL)
    monkeypatch.setattr(client_of, "Client", lambda url, token: client)
    exec(example, {})
    assert capsys.readouterr().out.startswith("422 item 'no such item'")


def test_a_refusal_is_an_error_with_its_remedy(client: Client) -> None:
    with pytest.raises(ApiError, match="no parameter 'colour'") as refused:
        client.recommendations("u3", colour="red")
    assert refused.value.status == 422 and "exclude_bought" in refused.value.remedy


def test_it_knows_every_field_that_the_api_describes(settings: Settings) -> None:
    described = create_app(settings).openapi()["components"]["schemas"]
    ours = {
        name: model
        for name, model in vars(client_of).items()
        if isinstance(model, type) and issubclass(model, client_of._Model) and name[0] != "_"
    }
    assert len(ours) > 10
    for name, model in ours.items():
        assert set(model.model_fields) == set(described[name]["properties"]), name


def tried(ask: Callable[[Client], Any], *answers: httpx.Response | Exception) -> int:
    """How often a question is put to a server that answers so."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    with (
        Client("http://shop", transport=httpx.MockTransport(answer)) as client,
        pytest.raises((ApiError, Unreachable)),
    ):
        ask(client)
    return len(answers) - len(left)


def test_only_what_leaves_nothing_behind_is_asked_again() -> None:
    late = [httpx.ReadTimeout("late")] * 3
    assert tried(lambda client: client.similar("i1"), *late) == 3
    assert tried(lambda client: client.recommendations("u1"), *late) == 1
    assert tried(lambda client: client.send([]), *late) == 1
    busy = [httpx.Response(429, headers={"retry-after": "0"})] * 3
    assert tried(lambda client: client.send([]), *busy) == 3
    long = [httpx.Response(503, headers={"retry-after": "60"})] * 3
    assert tried(lambda client: client.similar("i1"), *long) == 1
    assert tried(lambda client: client.similar("i1"), *[httpx.Response(404)] * 3) == 1


def test_importing_it_is_light() -> None:
    heavy = "import sys, penchant.client; print({'feast', 'torch', 'pandas'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
