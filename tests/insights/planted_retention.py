"""A shop whose users buy at their own pace, of which some have left."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from penchant.artifacts import CheckResults, SnapshotDescription
from penchant.settings import Settings

SNAPSHOT = "s-20240401-0123456789ab"
AS_OF = datetime(2024, 4, 1)
USERS, DAYS = 240, 300


def orders(seed: int = 0, users: int = USERS, days: int = DAYS) -> list[dict[str, Any]]:
    """User n buys every 3 to 40 days; every fourth leaves at a random day. ``u0`` bought every four
    days until 20 days ago."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(1, users):
        gap, spends = random.uniform(3, 40), random.uniform(5, 50)
        end = random.integers(30, days) if user % 4 == 0 else days
        day = random.uniform(0, 60)
        while day < end:
            rows.append(order(f"u{user}", days - day, spends * random.uniform(0.8, 1.2)))
            day += random.exponential(gap)
    return rows + [order("u0", before, 20.0) for before in range(20, days, 4)]


def order(user_id: str, days_before: float, value: float) -> dict[str, Any]:
    return {"user_id": user_id, "event_at": AS_OF - timedelta(days=days_before), "value": value}


def write_shop(settings: Settings, rows: list[dict[str, Any]]) -> str:
    """A checked and live snapshot with these purchases, and a portrait of ``u0``."""
    folder = settings.snapshots / SNAPSHOT
    (folder / "marts").mkdir(parents=True)
    events = pa.table(
        {
            "user_id": pa.array([row["user_id"] for row in rows], pa.string()),
            "event_type": ["purchase"] * len(rows),
            "event_at": pa.array([row["event_at"] for row in rows], pa.timestamp("us")),
            "value": [row["value"] for row in rows],
        }
    )
    portrait = pa.table(
        {
            "user_id": ["u0"],
            "feature_at": pa.array([AS_OF], pa.timestamp("us")),
            "interests": [["Tea", "Pans", "Soup"]],
            "interest_trends": [[0.2, -0.3, -0.1]],
        }
    )
    pq.write_table(events, folder / "marts" / "events.parquet")
    pq.write_table(portrait, folder / "marts" / "user_portrait.parquet")
    SnapshotDescription(id=SNAPSHOT, as_of=AS_OF).write(folder / "snapshot.json")
    CheckResults(snapshot_id=SNAPSHOT, passed=True).write(folder / "checks.json")
    settings.live_snapshot.flip(SNAPSHOT)
    return SNAPSHOT
