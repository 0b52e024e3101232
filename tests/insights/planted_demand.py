"""A shop with known demand: weekday profile, fast and slow items, one that ended, a new one."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from penchant.artifacts import CheckResults, SnapshotDescription
from penchant.settings import Settings

SNAPSHOT = "s-20240401-0123456789ab"
AS_OF = datetime(2024, 4, 1)
WEEKS = 24
WEEKDAYS = np.array([1, 1, 1, 1, 2, 4, 0]) / 10
RATES = {
    **{f"fast{number}": 40.0 + 10 * number for number in range(4)},
    **{f"medium{number}": 3.0 + number for number in range(6)},
    **{f"slow{number}": 0.3 for number in range(20)},
    "ended": 20.0,
    "new": 15.0,
}


def pieces(seed: int = 0, weeks: int = WEEKS) -> dict[str, np.ndarray]:
    """Pieces by day of each item, oldest first; ``ended`` stops halfway, ``new`` has two weeks."""
    random = np.random.default_rng(seed)
    found = {item: random.poisson(np.tile(rate * WEEKDAYS, weeks)) for item, rate in RATES.items()}
    found["ended"][weeks * 7 // 2 - 7 :] = 0
    found["new"][: (weeks - 2) * 7] = 0
    return found


def write_shop(settings: Settings, sold: dict[str, np.ndarray]) -> str:
    """A checked and live snapshot with these purchases."""
    days = len(next(iter(sold.values())))
    rows = [
        (item, AS_OF - timedelta(days=days - day, hours=-9), int(count))
        for item, counts in sold.items()
        for day, count in enumerate(counts)
        if count
    ]
    items, times, counts = zip(*rows, strict=True)
    events = {
        "event_id": [f"e{number}" for number in range(len(rows))],
        "user_id": [f"u{number % 9}" for number in range(len(rows))],
        "session_id": [f"s{number}" for number in range(len(rows))],
        "item_id": items,
        "event_type": ["purchase"] * len(rows),
        "quantity": pa.array(counts, pa.int64()),
        "value": [2.0 * count for count in counts],
        "event_at": pa.array(times, pa.timestamp("us")),
    }
    catalogue = {
        "item_id": list(sold),
        "title": [f"Title of {item}" for item in sold],
        "category_1": ["A" if number % 2 else "B" for number in range(len(sold))],
    }
    folder = settings.snapshots / SNAPSHOT
    (folder / "marts").mkdir(parents=True)
    pq.write_table(pa.table(events), folder / "marts" / "events.parquet")
    pq.write_table(pa.table(catalogue), folder / "marts" / "items.parquet")
    SnapshotDescription(id=SNAPSHOT, as_of=AS_OF).write(folder / "snapshot.json")
    CheckResults(snapshot_id=SNAPSHOT, passed=True).write(folder / "checks.json")
    settings.live_snapshot.flip(SNAPSHOT)
    return SNAPSHOT
