"""Who is answered: tokens, scopes, rates, and nothing open to a network unasked."""

import json
import stat
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from penchant.api.app import create_app
from penchant.api.auth.access import Rate, require_guarded
from penchant.api.auth.tokens import Tokens
from penchant.errors import UsageError
from penchant.settings import Settings

RECOMMEND = "/v1/recommendations?user_id=u1"
READ, WRITE = "recommendations:read", "events:write"


def status(settings: Settings, secret: str | None, client: str = "testclient") -> int:
    """Of a question that nothing is online for yet: 503 is an answer, to who may ask."""
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    asked = TestClient(create_app(settings), client=(client, 1))
    return asked.get(RECOMMEND, headers=headers).status_code


def test_without_any_token_this_machine_alone_is_answered(settings: Settings) -> None:
    assert status(settings, None) == 503
    assert status(settings, None, "127.0.0.1") == 503
    assert status(settings, None, "10.0.0.7") == 401


@pytest.mark.parametrize("name", ["localhost:6570", "127.0.0.1:6570", "[::1]:6570"])
def test_without_any_token_it_is_asked_by_a_name_of_this_machine(
    settings: Settings, name: str
) -> None:
    client = TestClient(create_app(settings))
    assert client.get(RECOMMEND, headers={"host": name}).status_code == 503
    assert client.get(RECOMMEND, headers={"host": "elsewhere.example"}).status_code == 401


def test_with_a_token_everybody_needs_one(settings: Settings) -> None:
    _, secret = Tokens(settings).make("shop", [READ])
    assert status(settings, None) == 401
    assert status(settings, "pk_made-up") == 401
    assert status(settings, secret) == 503
    assert status(settings, secret, "10.0.0.7") == 503


def test_a_scope_is_for_what_it_says(settings: Settings) -> None:
    _, writer = Tokens(settings).make("till", [WRITE])
    _, admin = Tokens(settings).make("ops", ["admin"])
    assert status(settings, writer) == 403
    assert status(settings, admin) == 503


def test_a_token_is_changed_for_another_without_a_gap(settings: Settings) -> None:
    tokens = Tokens(settings)
    old, old_secret = tokens.make("shop", [READ, "features:read"])
    client = TestClient(create_app(settings))

    def asked(secret: str) -> int:
        return client.get(RECOMMEND, headers={"authorization": f"Bearer {secret}"}).status_code

    assert asked(old_secret) == 503
    new, new_secret = tokens.rotate(old.id, timedelta(hours=1))
    assert (new.name, new.scopes) == (old.name, old.scopes)
    assert (asked(old_secret), asked(new_secret)) == (503, 503)
    with pytest.raises(UsageError, match="replaced already"):
        tokens.rotate(old.id, timedelta(hours=1))
    tokens.revoke(old.id)
    assert (asked(old_secret), asked(new_secret)) == (401, 503)
    _, newest_secret = tokens.rotate(new.id, timedelta(0))
    assert (asked(new_secret), asked(newest_secret)) == (401, 503)


def test_no_home_is_opened_by_the_clock(settings: Settings) -> None:
    old, _ = Tokens(settings).make("shop", [READ])
    new, _ = Tokens(settings).rotate(old.id, timedelta(0))
    Tokens(settings).revoke(new.id)
    assert status(settings, None) == 401


def test_a_token_from_before_tokens_ended_holds(settings: Settings) -> None:
    _, secret = Tokens(settings).make("shop", [READ])
    path = settings.home / "tokens.json"
    (kept,) = json.loads(path.read_text())
    del kept["expires_at"]
    path.write_text(json.dumps([kept]))
    assert status(settings, secret) == 503


@pytest.mark.parametrize(
    ("token_id", "overlap"),
    [("nobody", timedelta(0)), (None, -timedelta(1)), (None, timedelta(days=31))],
)
def test_what_can_not_be_rotated_is_named(
    settings: Settings, token_id: str | None, overlap: timedelta
) -> None:
    made, _ = Tokens(settings).make("shop", [READ])
    with pytest.raises(UsageError):
        Tokens(settings).rotate(token_id or made.id, overlap)


def test_secrets_are_not_kept(settings: Settings) -> None:
    _, secret = Tokens(settings).make("shop", [READ])
    path = settings.home / "tokens.json"
    assert secret not in path.read_text() and secret[3:] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())[0]["name"] == "shop"


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        "Basic abc",
        "Bearer \u00e9",
        "Bearer a b c",
        "Bearer \x01\xff",
        "Bearer " + "x" * 10**4,
    ],
    ids=len,
)
def test_a_malformed_token_is_no_token(settings: Settings, given: str) -> None:
    Tokens(settings).make("shop", [READ])
    answer = TestClient(create_app(settings)).get(
        RECOMMEND, headers={"authorization": given.encode()}
    )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("name", "scopes"), [("", [READ]), ("shop", []), ("shop", ["all"])])
def test_a_token_for_nothing_is_not_made(settings: Settings, name: str, scopes: list[str]) -> None:
    with pytest.raises(UsageError):
        Tokens(settings).make(name, scopes)


def test_a_network_is_not_served_without_a_token(settings: Settings) -> None:
    open_to_all = settings.model_copy(update={"api_host": "0.0.0.0"})
    with pytest.raises(UsageError, match="there is no token"):
        require_guarded(open_to_all)
    require_guarded(settings)
    Tokens(settings).make("shop", [READ])
    require_guarded(open_to_all)


def test_a_rate_lets_a_burst_pass_and_then_so_many_a_second() -> None:
    now = 0.0
    rate = Rate(a_second=2, burst=3, clock=lambda: now)
    assert [rate.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert rate.wait("b") == 0
    now = 0.5
    assert rate.wait("a") == 0 and rate.wait("a") > 0


def test_who_asks_too_often_is_told_when_to_come_back(settings: Settings) -> None:
    client = TestClient(create_app(settings.model_copy(update={"requests_a_second": 1.0})))
    answers = [client.get(RECOMMEND) for _ in range(5)]
    assert answers[0].status_code == 503
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_who_guesses_tokens_is_slowed_down_and_fills_no_disk(settings: Settings) -> None:
    Tokens(settings).make("shop", [READ])
    client = TestClient(create_app(settings.model_copy(update={"requests_a_second": 1.0})))
    answers = [client.get(RECOMMEND, headers={"authorization": "Bearer x"}) for _ in range(5)]
    assert [answer.status_code for answer in answers[:2] + answers[-1:]] == [401, 401, 429]
    (file,) = settings.audit.iterdir()
    assert len(file.read_text().splitlines()) < 5
