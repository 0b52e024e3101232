"""What was acknowledged is known at once, to every server, whatever is killed or landed."""

import math
import multiprocessing
import os
import random
import signal
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any

from fastapi.testclient import TestClient

from penchant.feedback import OPEN, FeedbackLog
from penchant.ingestion.ingest import ingest
from penchant.serving.fresh.events import Event, FreshEvents
from penchant.serving.fresh.log_tail import LogFile
from penchant.serving.fresh.weighing import weighed
from penchant.serving.http.api import create_app
from penchant.settings import Settings

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


def test_what_another_server_wrote_is_seen_before_the_next_answer(settings: Settings) -> None:
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


def test_a_torn_line_is_nobodys_event(settings: Settings) -> None:
    events = FreshEvents(settings)
    log = write(settings, row("a"))
    with (log.folder / "events" / OPEN).open("ab") as torn:
        torn.write(b'{"event_id": "torn", "us')
    assert ids(events) == ["a"]
    write(settings, row("b"))
    assert ids(events) == ids(FreshEvents(settings)) == ["a", "b"]


def test_what_landed_is_fresh_until_a_generation_knows_it(settings: Settings) -> None:
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


def post_until_killed(client: TestClient, acknowledged: Connection, start: int) -> None:
    now = datetime.now(UTC).isoformat()
    for number in range(start, start + 1000):
        event = row(f"e{number}", "u3", event_at=now)
        answer = client.post("/v1/events", json={"events": [event]})
        assert answer.status_code == 202
        acknowledged.send(event["event_id"])


def test_a_killed_server_loses_nothing_that_it_acknowledged(shop: Any) -> None:
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
    kept = ids(FreshEvents(shop.settings), "u3")
    assert set(heard) <= set(kept) and len(kept) == len(set(kept))
    assert len(kept) <= len(heard) + 4, "of each server at most one that nobody was told of"
    again = [row(event_id, "u3") for event_id in kept[:5]]
    write(shop.settings, *again)
    assert ids(FreshEvents(shop.settings), "u3") == kept
    report = ingest(shop.settings, "feedback", now=datetime.now(UTC).replace(tzinfo=None))
    assert report.quarantined == []


def event(item_id: str | None, event_type: str, minute: int = 0, **changes: Any) -> Event:
    fields = row(f"{item_id} {event_type} {minute}", item_id=item_id, event_type=event_type)
    fields |= {"event_at": NOON + timedelta(minutes=minute), "received_at": NOON} | changes
    return Event.of(fields, LogFile())


def test_fresh_events_weigh_what_the_marts_will_say() -> None:
    events = [
        event("b", "purchase", 5, quantity=2),
        event("b", "purchase", 6),
        event("b", "view", 4),
        event("a", "view", 1),
        event(None, "search"),
        event("c", "return", quantity=-1),
    ]
    read = weighed(events, "purchase", as_of=NOON - timedelta(days=1))
    assert read.item_ids == ("a", "b")
    assert read.weights_N.tolist() == [0.25, 2.0]  # a view is two steps weaker; log2(1 + 3)
    assert read.ages_N.tolist() == [0, 0], "a generation's clock stands at its as_of"
    (viewed,) = weighed([event("a", "view")], "view", NOON + timedelta(days=2)).weights_N
    assert viewed == 1
    assert weighed([event("a", "view")], "view", NOON + timedelta(days=2)).ages_N[0] == 2
    assert math.isclose(weighed([event("a", "cart")], "purchase", NOON).weights_N[0], 0.5)
