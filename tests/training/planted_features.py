"""The mart of the feature service `ranking` of the planted snapshot, and its manifest."""

from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from feature_home import column, mart

from penchant.storage import write_json

MART = "user_item_statistics"
DESCRIBED = mart(
    MART,
    [
        column("user_id", "VARCHAR", pii="direct"),
        column("item_id", "VARCHAR"),
        column("feature_at", "TIMESTAMP"),
        column("pair_purchase_days", "BIGINT"),
        column("pair_last_purchased_at", "TIMESTAMP"),
    ],
    ["user_id", "item_id", "feature_at"],
    feature_view={"entities": ["user", "item"], "ttl_days": 0, "services": ["ranking"]},
)


def write_features(
    folder: Path, users: list[str], histories: list[list[tuple[str, datetime]]]
) -> None:
    """A row for each user, item and day with an event, valid from the midnight after it."""
    rows = []
    for user, events in zip(users, histories, strict=True):
        days = defaultdict(set)
        for item, at in events:
            days[item].add(datetime(at.year, at.month, at.day))
        for item, dates in days.items():
            for count, day in enumerate(sorted(dates), start=1):
                rows.append((user, item, day + timedelta(days=1), count, day))
    times = {"feature_at", "pair_last_purchased_at"}
    table = {
        name: pa.array(cells, pa.timestamp("us") if name in times else None)
        for name, cells in zip(DESCRIBED["columns"], zip(*rows, strict=True), strict=True)
    }
    pq.write_table(pa.table(table), folder / f"marts/{MART}.parquet")
    write_json(folder / "manifest.json", {"nodes": {DESCRIBED["unique_id"]: DESCRIBED}})
