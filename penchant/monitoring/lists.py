"""The lists of the live release against those of the release before."""

import duckdb
import numpy as np
import pyarrow as pa

from penchant.artifacts.monitoring import ListsChange
from penchant.monitoring.drift_tests import stability_index
from penchant.monitoring.series import categories
from penchant.releases.release import RANKED_LISTS, Release, on_disk
from penchant.releases.rows import Rows
from penchant.settings import Settings

FIRST = 10
MOST_USERS = 5_000
LIMIT = 0.25


def lists_change(
    connection: duckdb.DuckDBPyConnection, settings: Settings, release_id: str
) -> ListsChange | None:
    """Of users in both; None where one of the releases has no lists, or there is one release.

    ``connection``: with the view ``items``.
    """
    releases = on_disk(settings)
    ids = [each.id for each in releases]
    if release_id not in ids or ids.index(release_id) + 1 == len(ids):
        return None
    at = ids.index(release_id)
    live, before = (_first_items(each) for each in (releases[at], releases[at + 1]))
    if live is None or before is None:
        return None
    connection.register("lists_live", live)
    connection.register("lists_before", before)
    users, overlap = connection.execute(
        f"""
        select count(*), avg(len(list_intersect(l.item_ids, b.item_ids)) / {FIRST})
        from lists_live as l join lists_before as b using (user_id)
        """
    ).fetchall()[0]
    if not users:
        return None
    listed = connection.sql(
        """
        with listed as (
            select 0 as day, unnest(item_ids) as item_id from lists_live
            union all select 1, unnest(item_ids) from lists_before
        )
        select day, category_1 from listed left join items using (item_id)
        """
    ).to_arrow_table()
    day_N = listed["day"].to_numpy()
    mix = categories("lists", "predictions", 2, day_N, listed["category_1"])
    return ListsChange(
        before=releases[at + 1].id,
        users=users,
        overlap=round(overlap, 4),
        category_index=round(stability_index(mix.counts_DB[0], mix.counts_DB[1]), 6),
    )


def _first_items(release: Release) -> pa.Table | None:
    """The first items of users that are spread evenly over the keys."""
    if not release.has(RANKED_LISTS):
        return None
    table = Rows.open(release.path, RANKED_LISTS).table
    step = max(1, table.num_rows // MOST_USERS)
    kept = table.take(np.arange(0, table.num_rows, step))
    firsts = [each[:FIRST] for each in kept["item_ids"].to_pylist()]
    return pa.table({"user_id": kept["user_id"], "item_ids": firsts})
