"""Candidate lists that a release makes of its snapshot, beside those of the ranking model's run.

They find what the families' lists lack: items that go with the last ones, what a segment of users
buys now, and new items. Each needs the events of the last weeks alone.
"""

from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from penchant.artifacts import Snapshot
from penchant.artifacts.ranking_model import EVERYBODY
from penchant.encryption.duckdb_connection import connect, parquet_relation
from penchant.releases.ranking_files import CO_OCCURRENCE, NEW_ITEMS, SEGMENT_POPULARITY

DAYS = 28
TOGETHER = 20  # items of a list of co-occurring ones
MOST = 100  # items of the other lists
MAX_BASKET = 60  # larger sessions are left out of co-occurrence: they say least, and cost most

_BOUGHT = """
    CREATE VIEW bought AS SELECT DISTINCT user_id, session_id, item_id FROM events
    WHERE item_id IS NOT NULL AND event_at >= $since AND event_at < $as_of AND event_type = (
        SELECT event_type FROM events WHERE event_type IN ('purchase', 'cart', 'view')
        ORDER BY array_position(['purchase', 'cart', 'view'], event_type) LIMIT 1
    )
"""

# The cosine of two items' sessions.
_CO_OCCURRENCE = """
    WITH baskets AS (
        SELECT session_id, item_id, count(*) OVER (PARTITION BY session_id) AS size FROM bought
    ),
    kept AS (SELECT session_id, item_id FROM baskets WHERE size BETWEEN 2 AND $largest),
    sold AS (SELECT item_id, count(*) AS sessions FROM kept GROUP BY item_id),
    pairs AS (
        SELECT one.item_id AS key, other.item_id AS item_id, count(*) AS together
        FROM kept AS one JOIN kept AS other USING (session_id)
        WHERE one.item_id <> other.item_id GROUP BY ALL HAVING together > 1
    )
    SELECT key, pairs.item_id, together / sqrt(mine.sessions * theirs.sessions) AS score
    FROM pairs
    JOIN sold AS mine ON mine.item_id = key
    JOIN sold AS theirs ON theirs.item_id = pairs.item_id
"""

_SEGMENT_POPULARITY = """
    SELECT segment AS key, item_id, count(DISTINCT user_id)::DOUBLE AS score
    FROM bought JOIN segments USING (user_id) GROUP BY ALL
"""

_NEW_ITEMS = """
    SELECT $everybody AS key, item_id, count(DISTINCT user_id)::DOUBLE AS score
    FROM items LEFT JOIN bought USING (item_id)
    WHERE first_seen_at >= $since AND first_seen_at < $as_of GROUP BY item_id
"""

_LISTS = """
    SELECT key, list(item_id ORDER BY score DESC, item_id) AS item_ids,
        list(score ORDER BY score DESC, item_id) AS scores
    FROM (
        FROM found QUALIFY
            row_number() OVER (PARTITION BY key ORDER BY score DESC, item_id) <= $most
    )
    GROUP BY key ORDER BY key
"""


def candidate_lists(
    snapshot: Snapshot, segments: pa.Table | None, as_of: datetime | None = None
) -> dict[str, pa.Table]:
    """By source, the columns key, item_ids and scores, best first, sorted by key.

    ``segments``: user_id and segment; None where popularity serves. ``as_of``: the end of the
    snapshot by default; earlier to measure the recall of the lists on what came after.
    """
    end = as_of or snapshot.as_of
    window = {"since": end - timedelta(days=DAYS), "as_of": end}
    found = {}
    with connect(snapshot.path) as connection:
        connection.execute("SET threads = 1")
        connection.sql(f"SELECT * FROM {snapshot.counted('events')}").create_view("events")
        parquet_relation(connection, snapshot.mart("items")).create_view("items")
        connection.execute(_literal(_BOUGHT, window))
        found[CO_OCCURRENCE] = _lists(
            connection, _CO_OCCURRENCE, {"largest": MAX_BASKET}, most=TOGETHER
        )
        if segments is not None:
            connection.register("segments", segments.select(["user_id", "segment"]))
            found[SEGMENT_POPULARITY] = _lists(connection, _SEGMENT_POPULARITY, {}, most=MOST)
        found[NEW_ITEMS] = _lists(
            connection, _NEW_ITEMS, {**window, "everybody": EVERYBODY}, most=MOST
        )
    return found


def _lists(
    connection: duckdb.DuckDBPyConnection, query: str, values: dict[str, object], most: int
) -> pa.Table:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE found AS {query}", values)
    return connection.sql(_LISTS, params={"most": most}).to_arrow_table()


def _literal(query: str, times: dict[str, datetime]) -> str:
    """A view has no parameters."""
    for name, at in times.items():
        query = query.replace(f"${name}", f"TIMESTAMP '{at.isoformat(sep=' ')}'")
    return query
