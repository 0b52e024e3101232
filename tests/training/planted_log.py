"""A log of items shown by chance to the planted users, who click those of their group."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ACTIONS, SLATE = 8000, 2
CLICKS = (0.05, 0.6)  # of what isn't of the user's group, and of what is


def write_log(marts: Path, users: int, items: int, groups: int, as_of: datetime) -> None:
    """Write ``policy_log.parquet``: slates of two, each slot by chance among all items."""
    pq.write_table(log_table(users, items, groups, as_of), marts / "policy_log.parquet")


def log_table(users: int, items: int, groups: int, as_of: datetime) -> pa.Table:
    random = np.random.default_rng(5)
    user_N = np.repeat(random.integers(0, users, ACTIONS // SLATE), SLATE)
    item_N = random.integers(0, items, ACTIONS)
    matches_N = item_N % groups == user_N % groups
    day_N = np.repeat(np.sort(random.uniform(1, 60, ACTIONS // SLATE))[::-1], SLATE)
    return pa.table(
        {
            "impression_id": [f"m{number:05}" for number in range(ACTIONS)],
            "slate_id": [f"s{number // SLATE:05}" for number in range(ACTIONS)],
            "user_id": [f"u{user:03}" for user in user_N],
            "item_id": [f"i{item:03}" for item in item_N],
            "position": pa.array(np.arange(ACTIONS) % SLATE, pa.int64()),
            "placement": ["home"] * ACTIONS,
            "policy": ["uniform"] * ACTIONS,
            "propensity": np.full(ACTIONS, 1 / items),
            "shown_at": pa.array(
                [as_of - timedelta(days=float(day)) for day in day_N], pa.timestamp("us")
            ),
            "known_at": pa.array(
                [as_of - timedelta(days=float(day)) for day in day_N], pa.timestamp("us")
            ),
            "clicked": random.random(ACTIONS) < np.array(CLICKS)[matches_N.astype(int)],
        }
    )
