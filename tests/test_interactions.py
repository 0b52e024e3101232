"""Interactions: the dbt mart and the API server's definition give the same rows."""

from dataclasses import astuple, dataclass
from datetime import datetime

import duckdb
import pytest

from penchant.artifacts import Snapshot
from penchant.interactions import interactions
from penchant.settings import Settings


@dataclass(frozen=True)
class MartEvent:
    user_id: str
    session_id: str
    item_id: str | None
    event_type: str
    quantity: int | None
    event_at: datetime


def test_interactions_equal_the_mart_row_for_row(built_home: Settings) -> None:
    snapshot = Snapshot.open(built_home, next(built_home.snapshots.glob("s-*")).name)
    marts = {name: str(snapshot.mart(name)) for name in ("events", "interactions")}
    events = duckdb.execute(  # every item of the simulator is merchandise
        """
        SELECT user_id, session_id, item_id, event_type, quantity, event_at
        FROM read_parquet(?)
        """,
        [marts["events"]],
    ).fetchall()
    expected = duckdb.execute(
        """
        SELECT user_id, item_id, session_id, event_type, event_at, quantity, weight
        FROM read_parquet(?) ORDER BY user_id, item_id, session_id, event_type
        """,
        [marts["interactions"]],
    ).fetchall()

    found = interactions(MartEvent(*row) for row in events)
    rows = sorted(astuple(each) for each in found)
    weights = {astuple(each): each.weight for each in found}

    assert rows == [row[:-1] for row in expected]
    assert [weights[row] for row in rows] == pytest.approx([row[-1] for row in expected])
    assert {each.event_type for each in found} == {"purchase", "cart", "view"}
    assert len(rows) < len(events), "some sessions have more than one event with an item"
    assert max(each.quantity for each in found) > 1
