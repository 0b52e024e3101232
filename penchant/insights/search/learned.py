"""Which items users acted on after a search, in the same session."""

import pyarrow as pa

from penchant.artifacts import Snapshot
from penchant.encryption.duckdb_connection import connect
from penchant.words import words

LEAST_USERS = 2  # so that no query of one person is kept


def query_key(query: str) -> str:
    """What makes two queries the same: their words, in any order."""
    return " ".join(sorted(set(words(query))))


def learned_items(snapshot: Snapshot, threads: int) -> pa.Table:
    """Query key, item and number of users who viewed, carted or bought it after the search."""
    with connect(snapshot.path, config={"threads": threads}) as connection:
        rows = connection.execute(
            f"""
            WITH events AS (
                SELECT user_id, session_id, event_type, event_at, item_id, query
                FROM {snapshot.counted("events")}
            )
            SELECT searched.query, acted.item_id, acted.user_id
            FROM events AS searched
            INNER JOIN events AS acted
                ON searched.user_id = acted.user_id AND searched.session_id = acted.session_id
                AND acted.event_at >= searched.event_at AND acted.item_id IS NOT NULL
            WHERE searched.event_type = 'search' AND searched.query IS NOT NULL
                AND acted.event_type IN ('view', 'cart', 'purchase')
            GROUP BY ALL
            """
        ).fetchall()
    users: dict[tuple[str, str], set[str]] = {}
    for query, item_id, user_id in rows:
        users.setdefault((query_key(query), item_id), set()).add(user_id)
    kept = sorted(
        (key, item, len(found))
        for (key, item), found in users.items()
        if key and len(found) >= LEAST_USERS
    )
    names = ("query", "item_id", "users")
    types = (pa.string(), pa.string(), pa.int64())
    columns = list(zip(*kept, strict=True)) if kept else [(), (), ()]
    return pa.table({n: pa.array(c, t) for n, c, t in zip(names, columns, types, strict=True)})
