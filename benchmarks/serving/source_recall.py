"""Recall@100 of the candidate sources that a release makes itself, on its last 14 days."""

from datetime import timedelta

import duckdb
import pyarrow as pa

from penchant.artifacts import Snapshot
from penchant.publishing.candidate_lists import candidate_lists
from penchant.releases.ranking_files import OWN_SOURCES
from penchant.serving.ranking.sources import LAST_ITEMS

DAYS = 14

# For each source, the items that a user gets with their scores: user_id, item_id, score.
FOUND = {
    "item": f"""
        SELECT user_id, lists.item_id, sum(score) AS score
        FROM (
            SELECT user_id, item_id FROM events
            WHERE event_at < $cutoff AND item_id IS NOT NULL GROUP BY user_id, item_id
            QUALIFY row_number() OVER (
                PARTITION BY user_id ORDER BY max(event_at) DESC, item_id
            ) <= {LAST_ITEMS}
        ) AS last JOIN lists ON lists.key = last.item_id GROUP BY ALL
    """,
    "segment": "SELECT user_id, item_id, score FROM segments JOIN lists ON key = segment",
    "all": "SELECT user_id, item_id, score FROM users CROSS JOIN lists",
}
RECALL = """
    WITH truth AS (
        SELECT DISTINCT user_id, item_id FROM events
        WHERE event_type = 'purchase' AND event_at >= $cutoff
    ),
    users AS (SELECT DISTINCT user_id FROM truth),
    found AS ({found}),
    first AS (
        FROM found QUALIFY
            row_number() OVER (PARTITION BY user_id ORDER BY score DESC, item_id) <= 100
    )
    SELECT avg(share) FROM (
        SELECT count(first.item_id) / count(*) AS share
        FROM truth LEFT JOIN first USING (user_id, item_id) GROUP BY user_id
    )
"""


def own_recall(snapshot: Snapshot, segments: pa.Table | None) -> dict[str, float]:
    """The mean share of a user's later purchases among the first 100 of each source."""
    cutoff = snapshot.as_of - timedelta(days=DAYS)
    lists = candidate_lists(snapshot, segments, cutoff)
    found = {}
    with duckdb.connect() as connection:
        connection.read_parquet(str(snapshot.mart("events"))).create_view("events")
        if segments is not None:
            connection.register("segments", segments)
        for source, table in lists.items():
            connection.register("listed", table)
            connection.execute(
                "CREATE OR REPLACE TEMP VIEW lists AS SELECT key, unnest(item_ids) AS item_id, "
                "unnest(scores) AS score FROM listed"
            )
            query = RECALL.format(found=FOUND[OWN_SOURCES[source]])
            found[source] = connection.execute(query, {"cutoff": cutoff}).fetchall()[0][0]
    return found
