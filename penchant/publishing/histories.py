"""Each user's history in a release: recent events, and all items ever bought.

They are copied from the snapshot's ``events``, so that a service needs no mart to explain a
recommendation, to exclude bought items or to encode a user again.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from penchant.artifacts import Snapshot
from penchant.encryption.duckdb_connection import connect, parquet_relation
from penchant.errors import DataError
from penchant.publishing.key_ranges import RANGE, in_parts
from penchant.releases.release import MAX_RECENT_ITEMS

EVENTS_A_PART = 1_000_000
IS_PURCHASE = "event_type = 'purchase'"

# ``place`` is 1 for the newest event: lists are sorted by one number each. Events before ``since``,
# most of all, are left out before the others are sorted by all keys.
_RECENT = """
    SELECT
        user_id,
        list(item_id ORDER BY place DESC) AS item_ids,
        list(event_type ORDER BY place DESC) AS event_types,
        list(epoch_us(event_at) ORDER BY place DESC) AS event_ats,
        list(coalesce(quantity, 1)::BIGINT ORDER BY place DESC) AS quantities
    FROM (
        SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY {backwards}) AS place
        FROM source JOIN (
            SELECT user_id, list_min(max(event_at, {latest})) AS since
            FROM source WHERE user_id {range} AND item_id IS NOT NULL GROUP BY user_id
        ) USING (user_id)
        WHERE user_id {range} AND item_id IS NOT NULL AND event_at >= since
        QUALIFY place <= {latest}
    )
    GROUP BY user_id
    ORDER BY user_id
"""

_BOUGHT = """
    SELECT user_id, list(item_id ORDER BY item_id) AS item_ids
    FROM (
        SELECT DISTINCT user_id, item_id FROM source
        WHERE user_id {range} AND event_type = 'purchase'
    )
    GROUP BY user_id
    ORDER BY user_id
"""


def recent_items(snapshot: Snapshot) -> Iterator[pa.Table]:
    """A row for each user with their last ``MAX_RECENT_ITEMS`` events of items, oldest first.

    ``event_ats`` are microseconds since 1970, UTC; a quantity that is not recorded is 1. Events of
    one moment are in the order in which the mart ``sequences`` has them. ``run_id`` names the
    snapshot. Raises DataError where the snapshot has no events.
    """
    keys = ("event_at", "session_id", "item_id", "event_id")
    return _rows(
        snapshot,
        _RECENT.format(
            backwards=", ".join(f"{key} DESC" for key in keys),
            latest=MAX_RECENT_ITEMS,
            range=RANGE,
        ),
    )


def bought(snapshot: Snapshot) -> Iterator[pa.Table]:
    """A row for each user who ever bought, with every item once. ``run_id`` names the snapshot.

    Raises DataError where the snapshot has no events.
    """
    return _rows(snapshot, _BOUGHT.format(range=RANGE))


def has_purchases(snapshot: Snapshot) -> bool:
    """False where only views of items are recorded. Raises DataError without events."""
    with connect(snapshot.path) as connection:
        purchases = parquet_relation(connection, _events(snapshot)).filter(IS_PURCHASE)
        return bool(purchases.limit(1).fetchall())


def _rows(snapshot: Snapshot, query: str) -> Iterator[pa.Table]:
    for table in in_parts(_events(snapshot), "user_id", query, EVENTS_A_PART):
        yield table.append_column("run_id", pa.repeat(snapshot.id, table.num_rows))


def _events(snapshot: Snapshot) -> Path:
    mart = snapshot.mart("events")
    if not mart.exists():
        raise DataError(
            f"snapshot {snapshot.id} has no mart `events`, from which histories are published",
            "run `penchant build` again",
        )
    return mart
