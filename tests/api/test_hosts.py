"""Requests for another server's name are not answered, as in DNS rebinding."""

import pytest
from fastapi.testclient import TestClient

from penchant.api.app import create_app
from penchant.settings import Settings

RECOMMEND = "/v1/recommendations?user_id=u1"


def status(settings: Settings, host: str, path: str = RECOMMEND) -> int:
    client = TestClient(create_app(settings))
    return client.get(path, headers={"host": host}).status_code


@pytest.mark.parametrize(
    "host", ["localhost:6570", "LocalHost", "127.0.0.1:6570", "[::1]:6570", "10.0.0.7", "api.shop"]
)
def test_answers_to_its_own_names_and_to_addresses(settings: Settings, host: str) -> None:
    named = settings.model_copy(update={"api_hostnames": "API.shop, other"})
    assert status(named, host) == 503  # nothing is published


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("elsewhere.example", 421),
        ("testserver", 421),
        ("localhost.evil.test", 421),
        ("2130706433", 421),
        ("x{y}.evil.test", 400),
        ("x`y.evil.test", 400),
        ("x'y.evil.test", 400),
        ("evil.test:99999", 400),
        ("localhost:99999", 400),
        ("evil.test@localhost", 400),
        ("", 400),
    ],
)
def test_refuses_other_and_invalid_names(settings: Settings, host: str, expected: int) -> None:
    production = settings.model_copy(update={"api_hostnames": ""})
    assert status(production, host) == expected
    assert status(production, host, "/console/") == expected
    assert status(production, host, "/healthz") == 200


def test_refuses_two_host_headers(settings: Settings) -> None:
    client = TestClient(create_app(settings))
    hosts = [("host", "localhost"), ("host", "localhost")]
    assert client.get(RECOMMEND, headers=hosts).status_code == 400
