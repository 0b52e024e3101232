"""Authentication, scopes, rate limits and token rotation."""

import json
import stat
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from penchant.api.app import create_app
from penchant.api.auth.access import AccessControl, RateLimiter, require_token_for_network
from penchant.api.auth.first_token import ensure_first_token, local_secret
from penchant.api.auth.tokens import Tokens
from penchant.errors import UsageError
from penchant.platform.services import console_link
from penchant.settings import Settings

RECOMMEND = "/v1/recommendations?user_id=u1"
READ, WRITE = "recommendations:read", "events:write"


def status(settings: Settings, secret: str | None, client: str = "testclient") -> int:
    """Status of a request while nothing is published: 503 if access is allowed."""
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    api = TestClient(create_app(settings), client=(client, 1))
    return api.get(RECOMMEND, headers=headers).status_code


def test_requests_from_this_machine_need_a_token_too(settings: Settings) -> None:
    """Other users of the machine, pages of its browser and reverse proxies come from it."""
    assert status(settings, None) == 503  # a call within this process
    assert [status(settings, None, client) for client in ("127.0.0.1", "10.0.0.7")] == [401, 401]


def test_first_start_makes_a_token_for_this_machine(settings: Settings) -> None:
    secret = ensure_first_token(settings)
    assert secret is not None and local_secret(settings) == secret
    assert settings.local_token.stat().st_mode & 0o077 == 0
    assert console_link(settings).endswith(f"/console/login#token={secret}")
    assert status(settings, secret, "127.0.0.1") == 503
    assert not Tokens(settings).all()[0].allows("admin")
    assert ensure_first_token(settings) is None


def test_home_stays_closed_after_its_last_token_is_revoked(settings: Settings) -> None:
    ensure_first_token(settings)
    Tokens(settings).revoke(Tokens(settings).all()[0].id)
    assert status(settings, None) == 401
    assert ensure_first_token(settings) is None
    assert console_link(settings).endswith("/console/")
    with pytest.raises(UsageError, match="no valid token of its own"):
        local_secret(settings)


def test_damaged_tokens_are_an_error_with_a_remedy(settings: Settings) -> None:
    _, secret = Tokens(settings).make("shop", [READ])
    path = settings.home / "tokens.json"
    path.write_text(path.read_text()[:20])
    answer = TestClient(create_app(settings)).get(
        RECOMMEND, headers={"authorization": f"Bearer {secret}"}
    )
    assert answer.status_code == 503
    assert str(path) in answer.json()["detail"] and answer.json()["remedy"]


def test_requires_a_token_once_one_exists(settings: Settings) -> None:
    _, secret = Tokens(settings).make("shop", [READ])
    assert status(settings, None) == 401
    assert status(settings, "pk_unknown") == 401
    assert status(settings, secret) == 503
    assert status(settings, secret, "10.0.0.7") == 503


def test_rejects_a_token_without_the_scope(settings: Settings) -> None:
    _, writer = Tokens(settings).make("till", [WRITE])
    _, admin = Tokens(settings).make("ops", ["admin"])
    assert status(settings, writer) == 403
    assert status(settings, admin) == 503


def test_rotates_a_token_without_downtime(settings: Settings) -> None:
    tokens = Tokens(settings)
    old, old_secret = tokens.make("shop", [READ, "features:read"])
    client = TestClient(create_app(settings))

    def status_of(secret: str) -> int:
        return client.get(RECOMMEND, headers={"authorization": f"Bearer {secret}"}).status_code

    assert status_of(old_secret) == 503
    new, new_secret = tokens.rotate(old.id, timedelta(hours=1))
    assert (new.name, new.scopes) == (old.name, old.scopes)
    assert (status_of(old_secret), status_of(new_secret)) == (503, 503)
    with pytest.raises(UsageError, match="already rotated"):
        tokens.rotate(old.id, timedelta(hours=1))
    tokens.revoke(old.id)
    assert (status_of(old_secret), status_of(new_secret)) == (401, 503)
    _, newest_secret = tokens.rotate(new.id, timedelta(0))
    assert (status_of(new_secret), status_of(newest_secret)) == (401, 503)


def test_still_requires_a_token_after_the_last_one_expired(settings: Settings) -> None:
    old, _ = Tokens(settings).make("shop", [READ])
    new, _ = Tokens(settings).rotate(old.id, timedelta(0))
    Tokens(settings).revoke(new.id)
    assert status(settings, None) == 401


def test_reads_a_token_file_without_expiry(settings: Settings) -> None:
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
def test_rejects_an_invalid_rotation(
    settings: Settings, token_id: str | None, overlap: timedelta
) -> None:
    made, _ = Tokens(settings).make("shop", [READ])
    with pytest.raises(UsageError):
        Tokens(settings).rotate(token_id or made.id, overlap)


def test_stores_no_secrets(settings: Settings) -> None:
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
def test_rejects_a_malformed_authorization_header(settings: Settings, given: str) -> None:
    Tokens(settings).make("shop", [READ])
    answer = TestClient(create_app(settings)).get(
        RECOMMEND, headers={"authorization": given.encode()}
    )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("name", "scopes"), [("", [READ]), ("shop", []), ("shop", ["all"])])
def test_rejects_a_token_without_name_or_valid_scope(
    settings: Settings, name: str, scopes: list[str]
) -> None:
    with pytest.raises(UsageError):
        Tokens(settings).make(name, scopes)


def test_refuses_to_listen_on_a_network_without_a_token(settings: Settings) -> None:
    open_to_all = settings.model_copy(update={"api_host": "0.0.0.0"})
    with pytest.raises(UsageError, match="but there is no token"):
        require_token_for_network(open_to_all)
    require_token_for_network(settings)
    Tokens(settings).make("shop", [READ])
    require_token_for_network(open_to_all)


def test_rate_limiter_allows_a_burst_then_the_average_rate() -> None:
    now = 0.0
    limiter = RateLimiter(per_second=2, burst=3, clock=lambda: now)
    assert [limiter.seconds_to_wait("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert limiter.seconds_to_wait("b") == 0
    now = 0.5
    assert limiter.seconds_to_wait("a") == 0 and limiter.seconds_to_wait("a") > 0


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """No rate is regained, however slow the machine is."""
    monkeypatch.setattr(AccessControl.__init__, "__defaults__", (lambda: 0.0, None))


@pytest.mark.usefixtures("stopped_clock")
def test_answers_429_with_retry_after(settings: Settings) -> None:
    client = TestClient(create_app(settings.model_copy(update={"requests_a_second": 1.0})))
    answers = [client.get(RECOMMEND) for _ in range(5)]
    assert answers[0].status_code == 503
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1


@pytest.mark.usefixtures("stopped_clock")
def test_limits_and_does_not_audit_repeated_invalid_tokens(settings: Settings) -> None:
    Tokens(settings).make("shop", [READ])
    client = TestClient(create_app(settings.model_copy(update={"requests_a_second": 1.0})))
    answers = [client.get(RECOMMEND, headers={"authorization": "Bearer x"}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401, 429, 429, 429, 429]
    (file,) = settings.audit.iterdir()
    assert len(file.read_text().splitlines()) < 5


def test_large_requests_count_as_several() -> None:
    limiter = RateLimiter(per_second=10, burst=20, clock=lambda: 0.0)
    assert limiter.seconds_to_wait("a") == 0
    limiter.charge("a", 1000)
    assert limiter.seconds_to_wait("a") == pytest.approx(
        2.1
    )  # a debt of one burst, and the request
    assert limiter.seconds_to_wait("b") == 0


def test_charges_after_a_pause_limit_too() -> None:
    """A client whose requests are rejected before they are counted had gained rate meanwhile."""
    now = 0.0
    limiter = RateLimiter(per_second=10, burst=20, clock=lambda: now)
    limiter.seconds_to_wait("a")
    now = 1000.0
    limiter.charge("a", 15)
    limiter.charge("a", 15)
    assert limiter.peek("a") == pytest.approx(1.1)
