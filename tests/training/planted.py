"""A tiny snapshot with a planted preference: each user keeps buying from one group of items.

Some of a group's items are liked more than others, by all of the group. An item's title names its
group, and so does its category.
"""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from planted_ads import write_ads
from planted_features import write_features
from planted_log import write_log

from penchant.artifacts import CheckResults, SnapshotDescription
from penchant.settings import Settings

SNAPSHOT = "s-20240401-0123456789ab"
AS_OF = datetime(2024, 4, 1)
USERS, ITEMS, GROUPS, DAYS = 60, 40, 4, 90


def plant(settings: Settings, passed: bool = True, items: int = ITEMS) -> str:
    """Write the snapshot; returns its id. User u buys of items i with i % GROUPS = u % GROUPS."""
    random = np.random.default_rng(3)
    histories = [
        [(f"i{item:03}", time) for time, item in sorted(_events(random, user, items))]
        for user in range(USERS)
    ]
    write_snapshot(settings, histories, items, passed)
    return SNAPSHOT


def _events(random: np.random.Generator, user: int, items: int) -> list[tuple[datetime, int]]:
    own = [item for item in range(items) if item % GROUPS == user % GROUPS] or [0]
    liked = 1 / np.arange(1, len(own) + 1)
    return [
        (
            AS_OF - timedelta(days=float(day), hours=1),
            int(random.choice(own, p=liked / liked.sum())),
        )
        for day in random.uniform(0, DAYS, size=50)
    ]


def write_snapshot(
    settings: Settings,
    histories: list[list[tuple[str, datetime]]],
    items: int,
    passed: bool = True,
    event_types: list[list[str]] | None = None,
    target: str = "purchase",
    categories: int = GROUPS,
) -> None:
    """A snapshot of given histories, and of one user more who never did anything.

    ``event_types``: of each event; None for purchases.
    """
    types = event_types or [["purchase"] * len(one) for one in histories]
    folder = settings.snapshots / SNAPSHOT
    (folder / "marts").mkdir(parents=True)
    users = [f"u{user:03}" for user in range(len(histories) + 1)]
    sequences = {
        "user_id": pa.array(users[:-1], pa.string()),
        "item_ids": pa.array([[item for item, _ in one] for one in histories]),
        "event_ats": pa.array(
            [[at for _, at in one] for one in histories], pa.list_(pa.timestamp("us"))
        ),
        "weights": pa.array([[1.0] * len(one) for one in histories]),
        "event_types": pa.array(types),
        "target_event_type": pa.array([target] * len(histories)),
    }
    pq.write_table(pa.table(sequences), folder / "marts/sequences.parquet")
    pq.write_table(
        pa.table(
            {
                "item_id": [f"i{item:03}" for item in range(items)],
                "category_1": [f"Kind {item % categories}" for item in range(items)],
                "title": [
                    f"Kind {item % categories} of thing, number {item}" for item in range(items)
                ],
            }
        ),
        folder / "marts/items.parquet",
    )
    pq.write_table(pa.table({"user_id": users}), folder / "marts/users.parquet")
    write_features(folder, users[:-1], histories)
    write_ads(folder / "training_sets", users)
    write_log(folder / "marts", len(histories), items, GROUPS, AS_OF)
    SnapshotDescription(id=SNAPSHOT, as_of=AS_OF).write(folder / "snapshot.json")
    CheckResults(snapshot_id=SNAPSHOT, passed=passed).write(folder / "checks.json")
