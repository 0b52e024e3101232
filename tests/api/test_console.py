"""The console: pages, escaping, login, scopes per section, and the guarded rollback."""

import json
import re
import shutil
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvicorn
from browser import CHROMIUM, Page, chromium
from fastapi.testclient import TestClient
from fresh_shop import with_encoder
from patience import PATIENCE
from starlette.routing import Mount, Route

from penchant.api.app import create_app
from penchant.api.auth.tokens import Tokens
from penchant.publishing.publish import publish
from penchant.settings import Settings

ONE, TWO = "s-20180102-000000000001", "s-20180102-000000000002"
EVIL = '<script>alert(1)</script> & "tea"'
BASE = "http://testserver"


def write_marts(settings: Settings, snapshot_id: str) -> None:
    """Columns that only the console reads. Unescaped, a title and a query would be markup."""
    marts = settings.snapshots / snapshot_id / "marts"
    items = pq.read_table(marts / "items.parquet")
    titles = items["title"].to_pylist()
    titles[1] = EVIL
    items = items.set_column(items.column_names.index("title"), "title", pa.array(titles))
    items = items.append_column("description", pa.nulls(len(items), pa.string()))
    pq.write_table(items, marts / "items.parquet")
    events = pq.read_table(marts / "events.parquet").to_pylist()
    columns = {"value": None, "query": None}
    search = {"event_type": "search", "item_id": None, "query": "<b>pans</b>"}
    rows = [event | columns for event in events]
    rows.append(rows[-1] | search | {"user_id": "u3", "event_id": "search"})
    pq.write_table(pa.Table.from_pylist(rows), marts / "events.parquet")


@pytest.fixture(scope="module")
def published_once(shop_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The release of snapshot 2 is live, that of snapshot 1 is the previous one."""
    home = tmp_path_factory.mktemp("console") / "home"
    shutil.copytree(shop_once, home)
    settings = Settings(_env_file=None, home=home, threads=1)
    for snapshot_id in (ONE, TWO):
        publish(settings, snapshot_id)
        write_marts(settings, snapshot_id)
    return settings


@pytest.fixture(scope="module")
def pages(published_once: Settings) -> TestClient:
    """For tests that only read."""
    return TestClient(create_app(published_once), base_url=BASE)


@pytest.fixture
def home(settings: Settings, published_once: Settings) -> Settings:
    """For tests that write."""
    shutil.copytree(published_once.home, settings.home)
    return settings


@pytest.fixture
def client_with_encoder(shop: Any) -> TestClient:
    """A shop whose release has an encoder."""
    with_encoder(shop, 1)
    publish(shop.settings, ONE)
    write_marts(shop.settings, ONE)
    return TestClient(create_app(shop.settings), base_url=BASE)


@pytest.fixture
def console(home: Settings) -> TestClient:
    return TestClient(create_app(home), base_url=BASE)


def logged_in(client: TestClient, settings: Settings, *scopes: str) -> str:
    """Log in with a new token; returns the CSRF token of the forms."""
    _, secret = Tokens(settings).make("me", scopes)
    answer = client.post("/console/login", data={"token": secret, "next": "releases"})
    assert answer.status_code == 200, answer.text
    return re.search(r'name="csrf_token" value="(\w+)"', answer.text)[1]


def text_of(answer: httpx.Response) -> str:
    return re.sub(r"\s+", " ", answer.text)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("", ["Example users", "Popular items"]),
        ("?q=u1", ["users?user_id=u10", "No item has this id"]),
        ("?q=of%20TITLE%20i00", ["items?item_id=i005", "No user id"]),
        ("users?user_id=u4", ["TEA", "70.0%", "50.0% to 80.0%", "active", "items?item_id="]),
        ("users?user_id=u0", ["no views or purchases", "prospect"]),
        ("items?item_id=i007", ["TITLE i007 OF 2", "GROCERY", "8.00", "Similar items"]),
        ("releases", ["matrix factorization", ONE, TWO, "live", "previous"]),
        ("families", ["matrix factorization", 'badge">retriever', "0.2000", "0.1500 to 0.2500"]),
        ("monitoring", ["No record of drift yet"]),
        ("platform", ["No services were started by"]),
    ],
)
def test_pages_show_their_content(pages: TestClient, address: str, shown: list[str]) -> None:
    answer = pages.get(f"/console/{address}")
    assert answer.status_code == 200
    for expected in shown:
        assert expected in text_of(answer)


def test_escapes_values_and_blocks_other_scripts(pages: TestClient) -> None:
    for address in (
        "items?item_id=i001",
        "users?user_id=u1",
        "?q=alert",
        f"?q={EVIL}",
        f"users?user_id={EVIL}",
        f"items?item_id={EVIL}",
    ):
        answer = pages.get(f"/console/{address}")
        assert "alert(1)" in answer.text
        assert "<script>" not in answer.text
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert " style=" not in answer.text and " onclick=" not in answer.text


@pytest.mark.parametrize(
    ("address", "status", "shown"),
    [
        ("users?user_id=nobody", 404, "Unknown user in snapshot"),
        ("items?item_id=nothing", 404, "is not in snapshot"),
        ("users", 422, "user_id"),
        ("users?user_id=a%00b", 422, "user_id"),
        (f"?q={'x' * 200}", 422, "at most 128"),
        ("nowhere", 404, "no page at this address"),
    ],
)
def test_errors_are_pages(pages: TestClient, address: str, status: int, shown: str) -> None:
    answer = pages.get(f"/console/{address}")
    assert answer.status_code == status
    assert "text/html" in answer.headers["content-type"] and shown in answer.text


def test_unexpected_error_is_a_page_without_traceback(
    published_once: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr("penchant.api.console.families.status", fail)
    client = TestClient(create_app(published_once), raise_server_exceptions=False)
    answer = client.get("/console/families")
    assert answer.status_code == 500 and "The request failed" in answer.text
    assert "secret" not in answer.text and "content-security-policy" in answer.headers


def test_escapes_search_texts_of_events(pages: TestClient) -> None:
    assert "“&lt;b&gt;pans&lt;/b&gt;”" in pages.get("/console/users?user_id=u3").text


def test_shows_popular_items_to_an_unknown_user(pages: TestClient) -> None:
    assert "Ranked by popularity prior" in pages.get("/console/users?user_id=nobody").text


def test_popular_items_are_those_of_the_popularity_prior(home: Settings) -> None:
    """Items that the marts exclude as no merchandise, such as fuel, have events but no prior."""
    marts = home.snapshots / TWO / "marts"
    events = pq.read_table(marts / "events.parquet")
    fuel = [events.slice(0, 1).to_pylist()[0] | {"item_id": "fuel"}] * 500
    pq.write_table(
        pa.concat_tables([events, pa.Table.from_pylist(fuel, events.schema)]),
        marts / "events.parquet",
    )
    items = pq.read_table(marts / "items.parquet")
    row = items.slice(0, 1).to_pylist()[0] | {"item_id": "fuel", "title": "GASOLINE"}
    pq.write_table(
        pa.concat_tables([items, pa.Table.from_pylist([row], items.schema)]),
        marts / "items.parquet",
    )
    client = TestClient(create_app(home), base_url=BASE)
    assert "GASOLINE" in client.get("/console/?q=gasoline").text
    popular = client.get("/console/").text
    assert "GASOLINE" not in popular
    recommended = client.get("/v1/recommendations?user_id=unknown&k=8").json()["items"]
    shown = re.findall(r"items\?item_id=(\w+)", popular)
    assert shown == [item["item_id"] for item in recommended]


def test_logs_no_impressions(published_once: Settings, pages: TestClient) -> None:
    pages.get("/console/users?user_id=u3")
    assert not published_once.feedback.exists()


@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        ("category=GROCERY+>+TEA", "policy <code>"),
        ("category=toys", "No item is in the category &#39;toys&#39;"),
        ("price_min=1,50", "The lowest price must be a number, got &#39;1,50&#39;"),
        ("price_min=9&price_max=2", "must be at most price_max"),
        ("price_min=1000", "No item matches these filters"),
        ("diversity=2", "Diversity: must be from 0 to 1, got 2.0"),
        ("price_min=&price_max=&diversity=&exclude_bought=true", "propensity 1"),
    ],
)
def test_filters_recommendations_or_shows_what_is_wrong_with_the_filter(
    pages: TestClient, filters: str, shown: str
) -> None:
    answer = pages.get(f"/console/users?user_id=u3&{filters}")
    assert answer.status_code == 200
    assert shown in text_of(answer) and "70.0%" in answer.text


def test_excluding_bought_items_needs_the_scope(console: TestClient, home: Settings) -> None:
    logged_in(console, home, "recommendations:read")
    answer = console.get("/console/users?user_id=u3&exclude_bought=true")
    assert "lacks the scope history:read" in text_of(answer)


def items_of(text: str) -> list[str]:
    """The ids of a ranked list's items, in order."""
    ranked = text[text.index('<ol class="list ranked">') : text.index("</ol>")]
    return re.findall(r"items\?item_id=(\w+)", ranked)


def test_what_if_equals_recommendations_after_the_event_and_writes_nothing(
    shop: Any, client_with_encoder: TestClient
) -> None:
    query = {"user_id": "u3", "item": "i077", "event_type": "purchase"}
    shown = client_with_encoder.get("/console/what-if", params=query).text
    assert not shop.settings.feedback.exists()
    for expected in ("Nothing was written", ">up ", "No longer in the first ten"):
        assert expected in shown
    event = {"event_id": "e1", "user_id": "u3", "session_id": "s1", "item_id": "i077"}
    event |= {"event_type": "purchase", "event_at": datetime.now(UTC).isoformat()}
    posted = client_with_encoder.post("/v1/events", json={"events": [event]})
    assert posted.status_code == 202
    answer = client_with_encoder.get(
        "/v1/recommendations", params={"user_id": "u3", "k": 10}
    ).json()
    assert items_of(shown) == [item["item_id"] for item in answer["items"]]
    user = client_with_encoder.get("/console/users?user_id=u3").text
    assert "fresh</span>" in user and "because you bought" in user


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("item=title+i00", "Select an item"),
        ("item=i077", "no change before the next release"),
        ("item=unheard+of", "No item has this id"),
        ("", "Compare"),
    ],
)
def test_what_if_lists_matching_items_and_reports_a_missing_encoder(
    pages: TestClient, query: str, shown: str
) -> None:
    answer = pages.get(f"/console/what-if?user_id=u3&{query}")
    assert answer.status_code == 200 and shown in text_of(answer)


def test_an_empty_home_shows_the_missing_steps(settings: Settings) -> None:
    client = TestClient(create_app(settings))
    for address in ("", "users?user_id=u1", "items?item_id=i1", "releases", "families"):
        answer = client.get(f"/console/{address}")
        assert answer.status_code == 503
        assert "Nothing is published yet" in answer.text
        assert "run `penchant check`" in answer.text and "make demo" in answer.text


def test_stores_the_token_in_a_cookie_for_the_console_only(
    home: Settings, console: TestClient
) -> None:
    _, secret = Tokens(home).make("me", ["recommendations:read"])
    login = console.get("/console/users?user_id=u3")
    assert login.status_code == 401 and 'value="users?user_id=u3"' in login.text
    wrong = console.post("/console/login", data={"token": "pk_unknown", "next": ""})
    assert wrong.status_code == 401 and "token is invalid" in wrong.text
    right = console.post(
        "/console/login",
        data={"token": secret, "next": "users?user_id=u3"},
        follow_redirects=False,
    )
    assert (right.status_code, right.headers["location"]) == (303, "users?user_id=u3")
    cookie = right.headers["set-cookie"].lower()
    for expected in ("httponly", "samesite=strict", "path=/console"):
        assert expected in cookie
    assert console.get("/console/users?user_id=u3").status_code == 200
    assert console.get("/v1/similar?item_id=i001").status_code == 401, (
        "the API must not accept the cookie"
    )


def test_every_page_but_login_requires_a_token(home: Settings, console: TestClient) -> None:
    Tokens(home).make("me", ["features:read"])
    (mounted,) = [route for route in create_app(home).routes if isinstance(route, Mount)]
    pages = {route.path: route.methods for route in mounted.routes if isinstance(route, Route)}
    open_to_all = {path for path in pages if path.startswith("/static/")} | {"/login"}
    for path in pages.keys() - open_to_all:
        query = {"user_id": "u1", "item_id": "i001", "q": "tea"}
        method = "POST" if "POST" in pages[path] else "GET"
        assert console.request(method, f"/console{path}", params=query).status_code == 401, path
    assert len(pages) > len(open_to_all) + 5


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example/", "../docs", "a\r\nb"])
def test_login_redirects_only_within_the_console(
    home: Settings, console: TestClient, wanted: str
) -> None:
    _, secret = Tokens(home).make("me", ["features:read"])
    answer = console.post(
        "/console/login", data={"token": secret, "next": wanted}, follow_redirects=False
    )
    assert answer.headers["location"] == "./"


def test_each_section_requires_its_scope(home: Settings, console: TestClient) -> None:
    def user() -> str:
        return text_of(console.get("/console/users?user_id=u3"))

    logged_in(console, home, "recommendations:read")
    assert "Ranked by ranker" in user() and "lacks the scope features:read" in user()
    assert "70.0%" not in user() and "2017-12-01" not in user()
    assert "user_id=u10" not in console.get("/console/?q=u1").text
    logged_in(console, home, "features:read")
    assert "lacks the scope <code>recommendations:read" in user()
    assert "lacks the scope" in console.get("/console/items?item_id=i001").text
    logged_in(console, home, "features:read:quasi")
    assert "may not read user_portrait:interests" in user()  # without a class, the highest applies
    assert "70.0%" not in user() and "2017-12-01" not in user()
    logged_in(console, home, "features:read:direct")
    assert "70.0%" in user() and "2017-12-01" in user()
    assert "user_id=u10" in console.get("/console/?q=u1").text
    _, till = Tokens(home).make("till", ["events:write"])
    refused = console.post("/console/login", data={"token": till, "next": ""})
    assert refused.status_code == 403 and "lacks the scopes" in refused.text


def test_admin_rolls_back_with_csrf_token_and_same_origin(
    home: Settings, console: TestClient
) -> None:
    pointer = home.live_release
    live, before = pointer.current(), pointer.previous()
    csrf_token = logged_in(console, home, "admin")
    right = {"csrf_token": csrf_token, "live": live}
    assert console.get("/console/rollback").status_code == 405
    for wrong, headers, status in [
        ({"live": live}, {}, 403),
        (right | {"csrf_token": "0" * 64}, {}, 403),
        (right | {"csrf_token": "é"}, {}, 403),
        (right, {"origin": "https://evil.example"}, 403),
        (right, {"sec-fetch-site": "cross-site"}, 403),
        (right | {"live": before}, {}, 422),
    ]:
        refused = console.post("/console/rollback", data=wrong, headers=headers)
        assert refused.status_code == status and pointer.current() == live
    done = console.post("/console/rollback", data=right, headers={"origin": BASE})
    assert (done.status_code, pointer.current()) == (200, before)
    assert f"<code>{before}</code> is live again" in done.text
    again = console.post("/console/rollback", data=right)
    assert again.status_code == 422 and "nothing was changed" in again.text


def test_audits_the_page_and_the_number_of_users(home: Settings, console: TestClient) -> None:
    for address in ("?q=u1", "users?user_id=u1"):
        console.get(f"/console/{address}")
    (file,) = home.audit.iterdir()
    lines = [json.loads(line) for line in file.read_text().splitlines()[-2:]]
    recorded = [(line["route"], line["entities"], line["token"]) for line in lines]
    assert recorded == [("/console/", 11, "in-process"), ("/console/users", 1, "in-process")]


def test_hides_the_rollback_without_the_admin_scope(home: Settings, console: TestClient) -> None:
    live = home.live_release.current()
    local = console.get("/console/releases").text
    assert '<form method="post" action="rollback"' not in local and "--scope admin" in local
    assert console.post("/console/rollback", data={"live": live}).status_code == 403
    csrf_token = logged_in(console, home, "features:read")
    refused = console.post("/console/rollback", data={"csrf_token": csrf_token, "live": live})
    assert refused.status_code == 403 and "lacks the scope admin" in refused.text
    assert home.live_release.current() == live


def test_logout_deletes_the_cookie(home: Settings, console: TestClient) -> None:
    csrf_token = logged_in(console, home, "features:read")
    assert console.post("/console/logout", data={"csrf_token": "wrong"}).status_code == 403
    assert console.post("/console/logout", data={"csrf_token": csrf_token}).status_code == 200
    assert console.get("/console/").status_code == 401


def test_revoking_the_token_ends_the_session(home: Settings, console: TestClient) -> None:
    logged_in(console, home, "features:read")
    tokens = Tokens(home)
    tokens.make("other", ["features:read"])
    tokens.revoke(tokens.all()[0].id)
    ended = console.get("/console/")
    assert ended.status_code == 401 and "no longer valid" in ended.text


@pytest.fixture
def address(home: Settings) -> Iterator[str]:
    """The console on a port of this machine."""
    server = uvicorn.Server(uvicorn.Config(create_app(home), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + PATIENCE
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/console/"
    server.should_exit = True
    thread.join()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
def test_browser_searches_and_rolls_back_by_keyboard(
    home: Settings, address: str, tmp_path: Path
) -> None:
    before = home.live_release.previous()
    _, secret = Tokens(home).make("me", ["admin"])
    with chromium(tmp_path / "profile") as page:
        page.look(360, dark=True)
        page.open(address)
        page.type(secret)
        page.press("Enter")
        page.until("document.querySelector('#q') === document.activeElement")
        page.type("TEA alert(1)")
        page.until("location.search.includes('TEA')")  # found while it was typed
        page.until("document.querySelectorAll('#found a[href^=items]').length === 1")
        reach(page, "items?")
        page.press("Enter")
        page.until("document.querySelector('h1')?.textContent.includes('alert(1)')")
        reach(page, "releases")
        page.press("Enter")
        page.until("document.querySelector('details > summary')")
        page.ask("document.querySelector('main').focus()")
        page.press("Tab")
        page.press("Enter")
        page.press("Tab")
        assert before in page.ask("document.activeElement.textContent")
        page.press("Enter")
        page.until("document.querySelector('[role=status]')")
        assert page.ask("document.documentElement.scrollWidth") <= 360
        (problem,) = page.problems  # the login form
        assert "401" in problem
    assert home.live_release.current() == before


def reach(page: Page, address: str) -> None:
    """Press Tab until a link to ``address`` has the focus."""
    for _ in range(30):
        page.press("Tab")
        if address in (page.ask("document.activeElement.href") or ""):
            return
    raise AssertionError(f"{address} can't be reached by keyboard")
