"""The candidate lists that a release makes of its snapshot."""

from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penchant.artifacts import Snapshot, SnapshotDescription
from penchant.publishing.candidate_lists import candidate_lists

AS_OF = datetime(2018, 1, 2)
LATELY = AS_OF - timedelta(days=3)
BASKETS = {"s1": "ab", "s2": "abc", "s3": "ac", "s4": "ab"}  # of the users u1, u2, u1, u2


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """Four sessions of a, b and c; d was bought long ago, e is new and nobody bought it."""
    rows = [
        (f"u{1 + at % 2}", session, item, "purchase", LATELY)
        for at, (session, items) in enumerate(BASKETS.items())
        for item in items
    ]
    rows.append(("u1", "s0", "d", "purchase", AS_OF - timedelta(days=300)))
    rows.append(("u1", "s9", "e", "view", LATELY))
    names = ("user_id", "session_id", "item_id", "event_type", "event_at")
    events = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    first_seen = {each: AS_OF - timedelta(days=400) for each in "abd"}
    first_seen |= {each: AS_OF - timedelta(days=20) for each in "ce"}
    items = {"item_id": list(first_seen), "first_seen_at": list(first_seen.values())}
    (tmp_path / "marts").mkdir()
    pq.write_table(pa.table(events), tmp_path / "marts" / "events.parquet")
    pq.write_table(pa.table(items), tmp_path / "marts" / "items.parquet")
    SnapshotDescription(id="s-1", as_of=AS_OF).write(tmp_path / "snapshot.json")
    return Snapshot("s-1", tmp_path)


def lists(table: pa.Table) -> dict[str, list[str]]:
    return dict(zip(table["key"].to_pylist(), table["item_ids"].to_pylist(), strict=True))


def test_items_bought_together_more_than_once_co_occur(snapshot: Snapshot) -> None:
    found = lists(candidate_lists(snapshot, None)["co_occurrence"])
    assert found == {"a": ["b", "c"], "b": ["a"], "c": ["a"]}


def test_a_segment_lists_what_it_bought_lately(snapshot: Snapshot) -> None:
    segments = pa.table({"user_id": ["u1", "u2"], "segment": ["tea", "pans"]})
    found = lists(candidate_lists(snapshot, segments)["segment_popularity"])
    assert found == {"tea": ["a", "b", "c"], "pans": ["a", "b", "c"]}


def test_new_items_are_listed_before_anybody_bought_them(snapshot: Snapshot) -> None:
    assert lists(candidate_lists(snapshot, None)["new_items"]) == {"all": ["c", "e"]}


def test_lists_as_of_an_earlier_moment_have_nothing_later(snapshot: Snapshot) -> None:
    earlier = candidate_lists(snapshot, None, AS_OF - timedelta(days=10))
    assert lists(earlier["co_occurrence"]) == {}
    assert lists(earlier["new_items"]) == {"all": ["c", "e"]}
