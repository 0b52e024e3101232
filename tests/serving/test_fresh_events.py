"""What was acknowledged is known at once, to every server, whatever is killed or landed."""

import math
import multiprocessing
import os
import random
import signal
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from fresh_shop import with_encoder

from penchant.api.app import create_app
from penchant.feedback.identity import logged_id, sent_id
from penchant.feedback.log import OPEN, FeedbackLog
from penchant.ingestion.ingest import ingest
from penchant.publishing.publish import publish
from penchant.releases.opened import OpenRelease
from penchant.serving.fresh_events import events as fresh_events
from penchant.serving.fresh_events.events import Event, FreshEvents
from penchant.serving.fresh_events.fresh_history import fresh_history
from penchant.serving.fresh_events.log_tail import LogFile
from penchant.serving.fresh_events.user_states import FreshUserStates
from penchant.settings import Settings

ONE = "s-20180102-000000000001"
NOON = datetime(2026, 3, 1, 12)


def row(event_id: str, user_id: str = "u1", **changes: Any) -> dict[str, Any]:
    given = {
        "event_id": event_id,
        "user_id": user_id,
        "session_id": "s1",
        "event_type": "purchase",
        "item_id": "i001",
        "quantity": None,
        "value": None,
        "query": None,
        "event_at": NOON,
        "impression_id": None,
    }
    return given | changes


def write(settings: Settings, *rows: dict[str, Any]) -> FeedbackLog:
    log = FeedbackLog.of(settings)
    now = datetime.now(UTC).replace(tzinfo=None)
    log.append("events", [{**row, "received_at": now} for row in rows])
    return log


def ids(events: FreshEvents, user_id: str = "u1", last_feedback: str | None = None) -> list[str]:
    return [event.event_id for event in events.of(user_id, last_feedback)]


def test_sees_events_of_other_servers(settings: Settings) -> None:
    events = FreshEvents(settings)
    assert ids(events) == []
    log = write(settings, row("a"), row("b", "u2"))
    assert (ids(events), ids(events, "u2")) == (["a"], ["b"])
    write(settings, row("c"), row("a"))  # sent again: it counts once
    assert ids(events) == ["a", "c"]
    write(settings, row("d"))
    log.seal()
    write(settings, row("e"))
    log.seal()
    write(settings, row("f"))
    assert ids(events) == ids(FreshEvents(settings)) == ["a", "c", "d", "e", "f"]


def test_ignores_a_partial_line(settings: Settings) -> None:
    events = FreshEvents(settings)
    log = write(settings, row("a"))
    with (log.folder / "events" / OPEN).open("ab") as torn:
        torn.write(b'{"event_id": "torn", "us')
    assert ids(events) == ["a"]
    write(settings, row("b"))
    assert ids(events) == ids(FreshEvents(settings)) == ["a", "b"]


def test_landed_events_stay_fresh_until_a_release_has_them(settings: Settings) -> None:
    events = FreshEvents(settings)
    log = write(settings, row("a"), row("b"))
    ingest(settings, "feedback", now=datetime.now(UTC).replace(tzinfo=None))
    (first,) = log.sealed("events")
    write(settings, row("c"))
    ingest(settings, "feedback", now=datetime.now(UTC).replace(tzinfo=None))
    assert not first.exists(), "it has landed, and left the log"
    for seen in (events, FreshEvents(settings)):
        assert ids(seen) == ["a", "b", "c"]
        assert ids(seen, last_feedback=first.name) == ["c"]


def test_identifies_an_event_by_client_user_and_id(settings: Settings) -> None:
    events = FreshEvents(settings)
    write(settings, row("a@shop"), row("a@app"), row("a@shop", "u2"))
    assert (ids(events), ids(events, "u2")) == (["a@shop", "a@app"], ["a@shop"])
    assert events.conflicts([row("a@shop"), row("a@shop", "u3")]) == []
    assert events.conflicts([row("a@shop", quantity=2)]) == ["a@shop"]
    assert events.conflicts([row("b"), row("b"), row("b", item_id="i2")]) == ["b"]
    assert sent_id(logged_id("a@b", "till@home")) == "a@b"


def test_memory_of_events_is_bounded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_events, "MAX_PER_USER", 3)
    monkeypatch.setattr(fresh_events, "MAX_EVENTS", 5)
    monkeypatch.setattr(fresh_events, "MAX_IDENTITIES", 6)
    events = FreshEvents(settings)
    write(settings, *(row(f"a{number}") for number in range(5)))
    assert ids(events) == ["a2", "a3", "a4"]
    write(settings, *(row(f"b{number}", f"u{number}") for number in range(2, 5)))
    assert (ids(events), ids(events, "u4")) == (["a3", "a4"], ["b4"])
    assert len(events._contents) == 6


def post_until_killed(client: TestClient, acknowledged: Connection, start: int) -> None:
    now = datetime.now(UTC).isoformat()
    for number in range(start, start + 1000):
        event = row(f"e{number}", "u3", event_at=now)
        answer = client.post("/v1/events", json={"events": [event]})
        assert answer.status_code == 202
        acknowledged.send(event["event_id"])


def test_killed_server_loses_no_acknowledged_event(shop: Any) -> None:
    client, heard = TestClient(create_app(shop.settings)), list[str]()
    for kill in range(4):
        ours, theirs = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.get_context("fork").Process(
            target=post_until_killed, args=(client, theirs, 1000 * kill)
        )
        child.start()
        heard += [ours.recv() for _ in range(3)]
        child.join(random.Random(kill).uniform(0, 0.02))
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        while ours.poll():
            heard.append(ours.recv())
    logged = ids(FreshEvents(shop.settings), "u3")
    kept = [sent_id(each) for each in logged]
    assert set(heard) <= set(kept) and len(kept) == len(set(kept))
    assert len(kept) <= len(heard) + 4, "of each server at most one that nobody was told of"
    again = [row(event_id, "u3") for event_id in logged[:5]]
    write(shop.settings, *again)
    assert ids(FreshEvents(shop.settings), "u3") == logged
    report = ingest(shop.settings, "feedback", now=datetime.now(UTC).replace(tzinfo=None))
    assert report.quarantined == []


def event(item_id: str | None, event_type: str, minute: int = 0, **changes: Any) -> Event:
    fields = row(f"{item_id} {event_type} {minute}", item_id=item_id, event_type=event_type)
    fields |= {"event_at": NOON + timedelta(minutes=minute), "received_at": NOON} | changes
    return Event.of(fields, LogFile())


def test_weights_fresh_events_as_the_marts_do() -> None:
    events = [
        event("b", "purchase", 5, quantity=2),
        event("b", "purchase", 6),
        event("b", "view", 4),
        event("a", "view", 1),
        event(None, "search"),
        event("c", "return", quantity=-1),
    ]
    bought = {"purchase": 1.0}
    read = fresh_history(events, bought, "purchase", as_of=NOON - timedelta(days=1))
    assert read.item_ids == ("a", "b")
    assert read.weights_N.tolist() == [0.25, 2.0]  # a view is two steps weaker; log2(1 + 3)
    assert read.ages_N.tolist() == [0, 0], "a release's clock stands at its as_of"
    later = NOON + timedelta(days=2)
    viewed = fresh_history([event("a", "view")], {"view": 1.0}, "view", later)
    assert (viewed.weights_N.tolist(), viewed.ages_N.tolist()) == ([1], [2])
    (carted,) = fresh_history([event("a", "cart")], bought, "purchase", NOON).weights_N
    assert math.isclose(carted, 0.5)


def test_weights_fresh_events_by_tuned_strengths() -> None:
    strengths = {"purchase": 1.0, "cart": 0.0, "view": 0.1}
    events = [event("a", "view", 1), event("a", "purchase", 2), event("b", "cart", 3)]
    read = fresh_history(events, strengths, "purchase", NOON)
    assert read.item_ids == ("a", "a"), "a cart was measured not to help"
    np.testing.assert_allclose(read.weights_N, [0.1, 1.0])


def test_next_answer_includes_a_posted_event(shop: Any) -> None:
    with_encoder(shop, 1)
    publish(shop.settings, ONE)
    client = TestClient(create_app(shop.settings))

    def answer(client: TestClient, user_id: str) -> tuple[str, list[tuple[str, float]]]:
        asked = {"user_id": user_id, "k": 10}
        answered = client.get("/v1/recommendations", params=asked).json()
        return answered["origin"], [(item["item_id"], item["score"]) for item in answered["items"]]

    before, stranger, other = (answer(client, user_id) for user_id in ("u3", "new", "u4"))
    now = datetime.now(UTC).isoformat()
    for number, user_id in enumerate(("u3", "new")):
        posted = row(f"e{number}", user_id, item_id="i077", event_at=now)
        client.post("/v1/events", json={"events": [posted]})
    after, known = answer(client, "u3"), answer(client, "new")
    did = client.get("/v1/activity", params={"user_id": "u3"}).json()
    newest, published = did["latest"][:2]
    assert (newest["item_id"], newest["fresh"]) == ("i077", True)
    assert (published["item_id"], published["fresh"]) == ("i012", False)
    assert (did["events_since"], did["last_event_at"]) == ({"purchase": 1}, newest["event_at"])
    assert after[1] != before[1] and answer(client, "u4") == other
    assert (stranger[0], known[0]) == ("popularity prior", "retriever matrix_factorization")
    later = TestClient(create_app(shop.settings))
    assert answer(later, "u3") == after, "a server that starts later knows it too"


def test_fold_in_uses_the_whole_history(shop: Any) -> None:
    encoder = with_encoder(shop, 1)
    opened = OpenRelease(shop.settings, publish(shop.settings, ONE).release_id)
    users = FreshUserStates(FreshEvents(shop.settings))
    assert not users.of(opened, "u3").folded_in
    write(shop.settings, row("e1", "u3", item_id="i077"), row("e2", "u4", item_id="unheard of"))
    write(shop.settings, row("e3", "u4", event_type="search", item_id=None))
    fresh, fold_in = users.of(opened, "u3"), opened.fold_in
    assert fold_in is not None
    history = users.history(opened, fold_in, "u3")
    assert history.item_ids == (*(f"i{number:03}" for number in range(3, 13)), "i077")
    assert fresh.vector_D is not None and fresh.folded_in
    np.testing.assert_allclose(fresh.vector_D, encoder.encode(history), atol=1e-6)
    assert fresh.bought_since == {"i077"}
    assert not users.of(opened, "u4").folded_in, "the event names an unknown item"


def test_session_of_views_is_the_history_of_whoever_has_no_other(shop: Any) -> None:
    encoder = with_encoder(shop, 1, {"purchase": 1.0, "view": 0.0})
    opened = OpenRelease(shop.settings, publish(shop.settings, ONE).release_id)
    write(
        shop.settings,
        row("e1", "visitor", item_id="i077", event_type="view"),
        row("e2", "u3", item_id="i077", event_type="view"),
    )
    users = FreshUserStates(FreshEvents(shop.settings))
    visitor, known = users.of(opened, "visitor"), users.of(opened, "u3")
    assert not known.folded_in, "a view was measured not to help beside purchases"
    assert visitor.folded_in and visitor.vector_D is not None and opened.fold_in is not None
    history = users.history(opened, opened.fold_in, "visitor")
    assert history.item_ids == ("i077",)
    np.testing.assert_allclose(visitor.vector_D, encoder.encode(history), atol=1e-6)
