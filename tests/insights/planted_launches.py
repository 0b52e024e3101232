"""A shop with users after tea and users after pans, in which new items are launched every week."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from penchant.artifacts import CheckResults, SnapshotDescription
from penchant.settings import Settings

SNAPSHOT = "s-20240401-0123456789ab"
AS_OF = datetime(2024, 4, 1)
USERS, DAYS, LAUNCHES = 120, 250, 120
KINDS = ("Tea", "Pans")


def write_shop(settings: Settings, launched: int = LAUNCHES) -> str:
    """Even users buy tea, odd ones pans. Nobody bought `new0` (tea), `new1` (pans) and `bare`,
    which has neither category nor words."""
    random = np.random.default_rng(1)
    rows: list[dict[str, Any]] = []
    for user in range(USERS):
        for day in random.integers(1, DAYS, 25):
            rows.append(bought(user, f"{KINDS[user % 2]} old {random.integers(6)}", int(day)))
    names = [f"{KINDS[number % 2]} fresh {number}" for number in range(launched)]
    for number, name in enumerate(names):
        start = 1 + (number * 190) // max(1, launched)
        first = random.choice(np.arange(number % 2, USERS, 2), 4, replace=False)
        rows += [bought(int(user), name, max(1, start - at)) for at, user in enumerate(first)]
    items = [f"{kind} old {number}" for kind in KINDS for number in range(6)] + names
    catalogue = [
        *({"item_id": name, "title": name, "category_1": name.split()[0]} for name in items),
        {"item_id": "new0", "title": "Tea of tomorrow", "category_1": "Tea"},
        {"item_id": "new1", "title": "Pans of tomorrow", "category_1": "Pans"},
        {"item_id": "bare", "title": None, "category_1": None},
    ]
    folder = settings.snapshots / SNAPSHOT
    (folder / "marts").mkdir(parents=True)
    events = pa.Table.from_pylist(rows)
    pq.write_table(events, folder / "marts" / "events.parquet")
    pq.write_table(pa.Table.from_pylist(catalogue), folder / "marts" / "items.parquet")
    SnapshotDescription(id=SNAPSHOT, as_of=AS_OF).write(folder / "snapshot.json")
    CheckResults(snapshot_id=SNAPSHOT, passed=True).write(folder / "checks.json")
    settings.live_snapshot.flip(SNAPSHOT)
    return SNAPSHOT


def bought(user: int, item_id: str, days_before: int) -> dict[str, Any]:
    at = AS_OF - timedelta(days=days_before, hours=-12)
    return {
        "user_id": f"u{user}",
        "item_id": item_id,
        "event_type": "purchase",
        "event_at": at,
    }
