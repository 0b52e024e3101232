"""The order of trending items, from the events of a snapshot."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from penchant.artifacts import Snapshot, SnapshotDescription
from penchant.serving.listings import Listings, _trending
from penchant.settings import Settings

AS_OF = datetime(2024, 3, 1)


def test_users_of_the_last_week_count_once_and_against_the_weeks_before(
    settings: Settings, tmp_path: Path
) -> None:
    """i1: four users now, none before. i2: as many now as in an average week before. i3: one user,
    ten times. i4: two users now, returned. i5: only before."""
    rows: list[tuple[str, str, str, int]] = [
        *(("i1", f"u{user}", "view", 2) for user in range(4)),
        *(("i2", f"u{user}", "view", days) for user, days in enumerate((1, 9, 16, 23, 30))),
        *(("i3", "u1", "view", 3) for _ in range(10)),
        *(("i4", f"u{user}", "return", 1) for user in range(2)),
        ("i5", "u1", "view", 20),
    ]
    items, users, types, days = zip(*rows, strict=True)
    table: dict[str, Any] = {"item_id": items, "user_id": users, "event_type": types}
    table["event_at"] = [AS_OF - timedelta(days=each) for each in days]
    snapshot = Snapshot("s-20240301-0123456789ab", tmp_path)
    snapshot.mart("events").parent.mkdir()
    pq.write_table(pa.table(table), snapshot.mart("events"))
    SnapshotDescription(id=snapshot.id, as_of=AS_OF).write(tmp_path / "snapshot.json")
    found = Listings(settings)._rows(_trending, snapshot)
    assert found == [("i1", 4.0), ("i3", 1.0)]
