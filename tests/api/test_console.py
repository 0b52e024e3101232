"""The console: pages for people, which escape all they show, and one button that is guarded."""

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
from starlette.routing import Mount, Route

from penchant.api.app import create_app
from penchant.api.auth.tokens import Tokens
from penchant.publishing.publish import publish
from penchant.settings import Settings

ONE, TWO = "s-20180102-000000000001", "s-20180102-000000000002"
EVIL = '<script>alert(1)</script> & "tea"'
BASE = "http://testserver"


def write_marts(settings: Settings, snapshot_id: str) -> None:
    """What of the marts only people look at; unescaped, a title and a query would be code."""
    marts = settings.snapshots / snapshot_id / "marts"
    items = pq.read_table(marts / "items.parquet")
    titles = items["title"].to_pylist()
    titles[1] = EVIL
    items = items.set_column(items.column_names.index("title"), "title", pa.array(titles))
    items = items.append_column("description", pa.nulls(len(items), pa.string()))
    items = items.append_column("first_seen_at", pa.nulls(len(items), pa.timestamp("us")))
    pq.write_table(items, marts / "items.parquet")
    events = pq.read_table(marts / "events.parquet").to_pylist()
    asked = {"value": None, "query": None}
    search = {"event_type": "search", "item_id": None, "query": "<b>pans</b>"}
    rows = [event | asked for event in events]
    rows.append(rows[-1] | search | {"user_id": "u3", "event_id": "asked"})
    pq.write_table(pa.Table.from_pylist(rows), marts / "events.parquet")


@pytest.fixture(scope="module")
def published_once(shop_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Release of snapshot 2 live, that of snapshot 1 behind it."""
    home = tmp_path_factory.mktemp("console") / "home"
    shutil.copytree(shop_once, home)
    settings = Settings(_env_file=None, home=home, threads=1)
    for snapshot_id in (ONE, TWO):
        publish(settings, snapshot_id)
        write_marts(settings, snapshot_id)
    return settings


@pytest.fixture(scope="module")
def pages(published_once: Settings) -> TestClient:
    """For tests that only look."""
    return TestClient(create_app(published_once), base_url=BASE)


@pytest.fixture
def home(settings: Settings, published_once: Settings) -> Settings:
    """For tests that change it."""
    shutil.copytree(published_once.home, settings.home)
    return settings


@pytest.fixture
def folding(shop: Any) -> TestClient:
    """A shop whose release can fold events in."""
    with_encoder(shop, 1)
    publish(shop.settings, ONE)
    write_marts(shop.settings, ONE)
    return TestClient(create_app(shop.settings), base_url=BASE)


@pytest.fixture
def visited(home: Settings) -> TestClient:
    return TestClient(create_app(home), base_url=BASE)


def logged_in(client: TestClient, settings: Settings, *scopes: str) -> str:
    """A visitor with a new token; returns the sign that their forms bear."""
    _, secret = Tokens(settings).make("me", scopes)
    answer = client.post("/console/login", data={"token": secret, "next": "releases"})
    assert answer.status_code == 200, answer.text
    return re.search(r'name="sign" value="(\w+)"', answer.text)[1]


def text_of(answer: httpx.Response) -> str:
    return re.sub(r"\s+", " ", answer.text)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("", ["Some users", "What is popular"]),
        ("?q=u1", ["user?user_id=u10", "No item has that id"]),
        ("?q=of%20TITLE%20i00", ["item?item_id=i005", "No user"]),
        ("user?user_id=u4", ["TEA", "70.0%", "50.0% to 80.0%", "active", "item?item_id="]),
        ("user?user_id=u0", ["nothing was looked at or bought", "prospect"]),
        ("item?item_id=i007", ["TITLE i007 OF 2", "GROCERY", "8.00", "Similar items"]),
        ("releases", ["matrix factorization", ONE, TWO, "live", "before it"]),
        ("families", ["matrix factorization", 'badge">retriever', "0.2000", "0.1500 to 0.2500"]),
    ],
)
def test_a_page_shows_what_it_is_for(pages: TestClient, address: str, shown: list[str]) -> None:
    answer = pages.get(f"/console/{address}")
    assert answer.status_code == 200
    for expected in shown:
        assert expected in text_of(answer)


def test_all_that_is_shown_is_escaped_and_no_script_but_ours_runs(pages: TestClient) -> None:
    for address in (
        "item?item_id=i001",
        "user?user_id=u1",
        "?q=alert",
        f"?q={EVIL}",
        f"user?user_id={EVIL}",
        f"item?item_id={EVIL}",
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
        ("user?user_id=nobody", 404, "Not known in snapshot"),
        ("item?item_id=nothing", 404, "is not in snapshot"),
        ("user", 422, "user_id"),
        ("user?user_id=a%00b", 422, "user_id"),
        (f"?q={'x' * 200}", 422, "at most 128"),
        ("nowhere", 404, "no page at this address"),
    ],
)
def test_what_is_not_there_is_answered_with_a_page(
    pages: TestClient, address: str, status: int, shown: str
) -> None:
    answer = pages.get(f"/console/{address}")
    assert answer.status_code == status
    assert "text/html" in answer.headers["content-type"] and shown in answer.text


def test_what_nobody_foresaw_is_a_page_without_a_traceback(
    published_once: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr("penchant.api.console.families.status", fail)
    client = TestClient(create_app(published_once), raise_server_exceptions=False)
    answer = client.get("/console/families")
    assert answer.status_code == 500 and "The server failed" in answer.text
    assert "secret" not in answer.text and "content-security-policy" in answer.headers


def test_a_search_among_events_is_escaped(pages: TestClient) -> None:
    assert "“&lt;b&gt;pans&lt;/b&gt;”" in pages.get("/console/user?user_id=u3").text


def test_a_stranger_is_shown_what_strangers_get(pages: TestClient) -> None:
    assert "By the popularity prior" in pages.get("/console/user?user_id=nobody").text


def test_looking_is_not_showing(published_once: Settings, pages: TestClient) -> None:
    pages.get("/console/user?user_id=u3")
    assert not published_once.feedback.exists()


@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        ("category=GROCERY+>+TEA", "policy <code>"),
        ("category=toys", "No item is in the category &#39;toys&#39;"),
        ("price_min=1,50", "The lowest price is &#39;1,50&#39;"),
        ("price_min=9&price_max=2", "above price_max"),
        ("price_min=1000", "Nothing passes these filters"),
        ("diversity=2", "Diversity is 2.0"),
        ("price_min=&price_max=&diversity=&exclude_bought=true", "propensity 1"),
    ],
)
def test_recommendations_are_filtered_or_the_filter_is_refused_in_its_place(
    pages: TestClient, filters: str, shown: str
) -> None:
    answer = pages.get(f"/console/user?user_id=u3&{filters}")
    assert answer.status_code == 200
    assert shown in text_of(answer) and "70.0%" in answer.text


def items_of(text: str) -> list[str]:
    """The ids of a ranked list's items, in order."""
    ranked = text[text.index('<ol class="list ranked">') : text.index("</ol>")]
    return re.findall(r"item\?item_id=(\w+)", ranked)


def test_what_would_change_is_what_changes_and_nothing_is_written(
    shop: Any, fold_in: TestClient
) -> None:
    asked = {"user_id": "u3", "item": "i077", "event_type": "purchase"}
    shown = fold_in.get("/console/suppose", params=asked).text
    assert not shop.settings.feedback.exists()
    for expected in ("Nothing was written", ">up ", "No longer among them"):
        assert expected in shown
    event = {"event_id": "e1", "user_id": "u3", "session_id": "s1", "item_id": "i077"}
    event |= {"event_type": "purchase", "event_at": datetime.now(UTC).isoformat()}
    posted = fold_in.post("/v1/events", json={"events": [event]})
    assert posted.status_code == 202
    answer = fold_in.get("/v1/recommendations", params={"user_id": "u3", "k": 10}).json()
    assert items_of(shown) == [item["item_id"] for item in answer["items"]]
    user = fold_in.get("/console/user?user_id=u3").text
    assert "since</span>" in user and "because you bought" in user


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("item=title+i00", "Which of these?"),
        ("item=i077", "nothing changes before the next release"),
        ("item=unheard+of", "No item has that id"),
        ("", "Try it"),
    ],
)
def test_an_item_is_chosen_and_a_release_that_cannot_fold_says_so(
    pages: TestClient, asked: str, shown: str
) -> None:
    answer = pages.get(f"/console/suppose?user_id=u3&{asked}")
    assert answer.status_code == 200 and shown in text_of(answer)


def test_an_empty_home_says_what_to_do(settings: Settings) -> None:
    client = TestClient(create_app(settings))
    for address in ("", "user?user_id=u1", "item?item_id=i1", "releases", "families"):
        answer = client.get(f"/console/{address}")
        assert answer.status_code == 503
        assert "Nothing is published yet" in answer.text
        assert "run `penchant check`" in answer.text and "make demo" in answer.text


def test_a_token_is_kept_for_the_console_alone(home: Settings, visited: TestClient) -> None:
    _, secret = Tokens(home).make("me", ["recommendations:read"])
    asked = visited.get("/console/user?user_id=u3")
    assert asked.status_code == 401 and 'value="user?user_id=u3"' in asked.text
    wrong = visited.post("/console/login", data={"token": "pk_made-up", "next": ""})
    assert wrong.status_code == 401 and "does not hold" in wrong.text
    right = visited.post(
        "/console/login",
        data={"token": secret, "next": "user?user_id=u3"},
        follow_redirects=False,
    )
    assert (right.status_code, right.headers["location"]) == (303, "user?user_id=u3")
    cookie = right.headers["set-cookie"].lower()
    for expected in ("httponly", "samesite=strict", "path=/console"):
        assert expected in cookie
    assert visited.get("/console/user?user_id=u3").status_code == 200
    assert visited.get("/v1/similar?item_id=i001").status_code == 401, "services don't use cookies"


def test_every_page_needs_a_token_but_the_one_that_asks_for_it(
    home: Settings, visited: TestClient
) -> None:
    Tokens(home).make("me", ["features:read"])
    (mounted,) = [route for route in create_app(home).routes if isinstance(route, Mount)]
    pages = {route.path: route.methods for route in mounted.routes if isinstance(route, Route)}
    open_to_all = {path for path in pages if path.startswith("/static/")} | {"/login"}
    for path in pages.keys() - open_to_all:
        asked = {"user_id": "u1", "item_id": "i001", "q": "tea"}
        method = "POST" if "POST" in pages[path] else "GET"
        assert visited.request(method, f"/console{path}", params=asked).status_code == 401, path
    assert len(pages) > len(open_to_all) + 5


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example/", "../docs", "a\r\nb"])
def test_login_leads_nowhere_else(home: Settings, visited: TestClient, wanted: str) -> None:
    _, secret = Tokens(home).make("me", ["features:read"])
    answer = visited.post(
        "/console/login", data={"token": secret, "next": wanted}, follow_redirects=False
    )
    assert answer.headers["location"] == "./"


def test_each_part_needs_its_scope(home: Settings, visited: TestClient) -> None:
    def user() -> str:
        return text_of(visited.get("/console/user?user_id=u3"))

    logged_in(visited, home, "recommendations:read")
    assert "By the ranker" in user() and "lacks the scope features:read" in user()
    assert "70.0%" not in user() and "2017-12-01" not in user()
    assert "user_id=u10" not in visited.get("/console/?q=u1").text
    logged_in(visited, home, "features:read")
    assert "needs the scope <code>recommendations:read" in user()
    assert "needs the scope" in visited.get("/console/item?item_id=i001").text
    logged_in(visited, home, "features:read:quasi")
    assert "may not read user_portrait:interests" in user()  # it has no class: the highest
    assert "70.0%" not in user() and "2017-12-01" not in user()
    logged_in(visited, home, "features:read:direct")
    assert "70.0%" in user() and "2017-12-01" in user()
    assert "user_id=u10" in visited.get("/console/?q=u1").text
    _, till = Tokens(home).make("till", ["events:write"])
    refused = visited.post("/console/login", data={"token": till, "next": ""})
    assert refused.status_code == 403 and "may not read" in refused.text


def test_an_admin_rolls_back_by_a_form_of_their_own(home: Settings, visited: TestClient) -> None:
    pointer = home.live_release
    live, before = pointer.current(), pointer.previous()
    sign = logged_in(visited, home, "admin")
    right = {"sign": sign, "live": live}
    assert visited.get("/console/rollback").status_code == 405
    for wrong, headers, status in [
        ({"live": live}, {}, 403),
        (right | {"sign": "0" * 64}, {}, 403),
        (right | {"sign": "é"}, {}, 403),
        (right, {"origin": "https://evil.example"}, 403),
        (right, {"sec-fetch-site": "cross-site"}, 403),
        (right | {"live": before}, {}, 422),
    ]:
        refused = visited.post("/console/rollback", data=wrong, headers=headers)
        assert refused.status_code == status and pointer.current() == live
    done = visited.post("/console/rollback", data=right, headers={"origin": BASE})
    assert (done.status_code, pointer.current()) == (200, before)
    assert f"<code>{before}</code> is live again" in done.text
    again = visited.post("/console/rollback", data=right)
    assert again.status_code == 422 and "nothing was changed" in again.text


def test_the_audit_names_the_page_and_of_how_many_users_it_told(
    home: Settings, visited: TestClient
) -> None:
    for address in ("?q=u1", "user?user_id=u1"):
        visited.get(f"/console/{address}")
    (file,) = home.audit.iterdir()
    lines = [json.loads(line) for line in file.read_text().splitlines()[-2:]]
    told = [(line["route"], line["entities"], line["token"]) for line in lines]
    assert told == [("/console/", 11, "local"), ("/console/user", 1, "local")]


def test_who_is_no_admin_has_no_button(home: Settings, visited: TestClient) -> None:
    live = home.live_release.current()
    local = visited.get("/console/releases").text
    assert '<form method="post" action="rollback"' not in local and "--scope admin" in local
    assert visited.post("/console/rollback", data={"live": live}).status_code == 403
    sign = logged_in(visited, home, "features:read")
    refused = visited.post("/console/rollback", data={"sign": sign, "live": live})
    assert refused.status_code == 403 and "lacks the scope admin" in refused.text
    assert home.live_release.current() == live


def test_logging_out_forgets_the_token(home: Settings, visited: TestClient) -> None:
    sign = logged_in(visited, home, "features:read")
    assert visited.post("/console/logout", data={"sign": "wrong"}).status_code == 403
    assert visited.post("/console/logout", data={"sign": sign}).status_code == 200
    assert visited.get("/console/").status_code == 401


def test_a_token_that_is_revoked_ends_the_visit(home: Settings, visited: TestClient) -> None:
    logged_in(visited, home, "features:read")
    tokens = Tokens(home)
    tokens.make("other", ["features:read"])
    tokens.revoke(tokens.all()[0].id)
    ended = visited.get("/console/")
    assert ended.status_code == 401 and "no longer holds" in ended.text


@pytest.fixture
def address(home: Settings) -> Iterator[str]:
    """The console on a port of this machine."""
    server = uvicorn.Server(uvicorn.Config(create_app(home), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/console/"
    server.should_exit = True
    thread.join()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
def test_a_browser_goes_the_whole_way_by_keyboard(
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
        page.until("document.querySelectorAll('#found a[href^=item]').length === 1")
        reach(page, "item?")
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
        (asked,) = page.problems  # for a token, at first
        assert "401" in asked
    assert home.live_release.current() == before


def reach(page: Page, address: str) -> None:
    """Press Tab until a link to ``address`` has the focus."""
    for _ in range(30):
        page.press("Tab")
        if address in (page.ask("document.activeElement.href") or ""):
            return
    raise AssertionError(f"no way by keyboard to {address}")
