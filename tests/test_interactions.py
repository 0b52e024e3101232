"""Interactions: the dbt mart and the API server's definition give the same rows."""

from dataclasses import astuple, dataclass
from datetime import datetime

import duckdb
import pytest

from penchant.artifacts import Snapshot
from penchant.interactions import interactions, not_cancelled
from penchant.settings import Settings


@dataclass(frozen=True)
class MartEvent:
    user_id: str
    session_id: str
    item_id: str | None
    event_type: str
    quantity: int | None
    event_at: datetime


def test_a_purchase_that_is_returned_within_a_day_is_cancelled() -> None:
    def event(kind: str, day: int, hour: int, quantity: int | None) -> MartEvent:
        return MartEvent("u", f"s{hour}", "i", kind, quantity, datetime(2024, 1, day, hour))

    kept = [event("purchase", 1, 8, 5), event("purchase", 1, 9, 2), event("purchase", 3, 1, None)]
    cancelled = [event("purchase", 1, 10, 2), event("purchase", 4, 1, None)]
    returns = [
        *(event("return", 1, 11, -2), event("return", 2, 9, -5), event("return", 1, 7, -5)),
        event("return", 4, 2, -1),
    ]
    found = not_cancelled([*kept, *returns, *cancelled])
    assert [each for each in found if each.event_type == "purchase"] == kept


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
