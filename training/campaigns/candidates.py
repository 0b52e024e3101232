"""Rows of users for an offer that nobody was sent yet, with the columns of ``campaign_spending``.

Columns that begin with a view's name are the view's newest row of the user: what Feast's
point-in-time join gives at the snapshot's end. The others are computed as ``int_ad_moments`` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from penchant.artifacts import Snapshot
from penchant.encryption.duckdb_connection import connect
from penchant.errors import UsageError
from training.campaigns.brief import Brief, Offer
from training.layers.responses.ads import DAYS

DAYS_BEFORE = 91
SEPARATOR = "__"


@dataclass(frozen=True)
class Candidates:
    """``users``: rows of the users' columns; ``items``: of each offer; ``bought``: each offer's
    advertised spending and items by user before the snapshot's end."""

    users: pa.Table
    items: dict[str, tuple[str, ...]]
    bought: dict[str, dict[str, tuple[float, int]]]

    @property
    def user_ids(self) -> list[str]:
        return self.users["user_id"].to_pylist()

    def of_offer(self, name: str, brief: Brief, columns: Sequence[str]) -> pa.Table:
        """A row per user, in the order of ``user_ids``, with these columns and the days."""
        before = self.bought[name]
        found = [before.get(user_id, (0.0, 0)) for user_id in self.user_ids]
        count = len(found)
        own = {
            "kind": pa.array([brief.offers[name].kind] * count, pa.string()),
            "advertised_spend_before": pa.array([spent for spent, _ in found], pa.float64()),
            "advertised_items_before": pa.array([items for _, items in found], pa.int64()),
            DAYS: pa.array(np.full(count, float(brief.days))),
        }
        return pa.table(
            {
                column: own[column] if column in own else self.users[column]
                for column in (*columns, DAYS)
                if column in own or column in self.users.column_names
            }
        )


def candidates(
    snapshot: Snapshot, brief: Brief, columns: Sequence[str], path: Path, threads: int
) -> Candidates:
    """``columns``: of ``campaign_spending``. Raises UsageError for an offer without an item."""
    views = sorted({name.split(SEPARATOR)[0] for name in columns if SEPARATOR in name})
    with connect(snapshot.path, config={"threads": threads}) as connection:
        marts = ("impressions", "campaigns", *views)
        users = connection.sql(
            _users_sql(snapshot.counted("users"), columns, views),
            params={f"mart_{name}": str(snapshot.mart(name)) for name in marts}
            | {"as_of": snapshot.as_of},
        ).to_arrow_table()
        items = {
            name: items_of(connection, snapshot, offer, f"{path}: offers.{name}")
            for name, offer in brief.offers.items()
        }
        bought = {name: _bought(connection, snapshot, ids) for name, ids in items.items()}
    return Candidates(users, items, bought)


def items_of(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, offer: Offer, where: str
) -> tuple[str, ...]:
    """Ids of the offer's items, sorted."""
    known, condition = _items_sql(offer)
    found = connection.execute(
        f"SELECT item_id FROM read_parquet($items) WHERE {condition} ORDER BY item_id",
        {"items": str(snapshot.mart("items")), **known},
    ).fetchall()
    if not found:
        raise UsageError(
            f"{where}: no item of the snapshot matches",
            "use ids or a category path of the items of this snapshot",
        )
    return tuple(row[0] for row in found)


def _bought(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, items: tuple[str, ...]
) -> dict[str, tuple[float, int]]:
    """Money spent on the items by user, and the number of items bought."""
    rows = connection.execute(
        "SELECT user_id, sum(value), count(DISTINCT item_id) "
        f"FROM {snapshot.counted('events')} WHERE event_type = 'purchase' "
        "AND list_contains($items, item_id) "
        f"AND event_at >= $as_of::TIMESTAMP - INTERVAL {DAYS_BEFORE} DAY GROUP BY user_id",
        {"items": items, "as_of": snapshot.as_of},
    ).fetchall()
    return {user: (float(spent or 0), int(count)) for user, spent, count in rows}


def _users_sql(counted: str, columns: Sequence[str], views: Sequence[str]) -> str:
    """A row per user with the newest row of each view, and the campaigns before. ``counted``: the
    relation of the users."""
    joins, selected = [], []
    for view in views:
        of_view = [name for name in columns if name.startswith(f"{view}{SEPARATOR}")]
        names = [name.removeprefix(f"{view}{SEPARATOR}") for name in of_view]
        names = [name for name in names if name != "feature_time"]
        joins.append(
            f"LEFT JOIN (SELECT * FROM read_parquet($mart_{view}) "
            "WHERE feature_at <= $as_of::TIMESTAMP QUALIFY row_number() OVER "
            f"(PARTITION BY user_id ORDER BY feature_at DESC) = 1) AS {view} "
            f"ON users.user_id = {view}.user_id"
        )
        selected += [f'{view}."{name}" AS "{view}{SEPARATOR}{name}"' for name in names]
    listed = "".join(f", {each}" for each in selected)
    return f"""
        WITH ends AS (
            SELECT campaign_id, max(ends_on) + INTERVAL 1 DAY AS ends_at
            FROM read_parquet($mart_campaigns) GROUP BY campaign_id
        ),
        mailings AS (
            SELECT user_id,
                count(*) AS ads_before,
                count(*) FILTER (WHERE coalesce(converted, clicked, false)
                    AND ends_at <= $as_of::TIMESTAMP) AS answers_before,
                count(*) FILTER (WHERE ends_at > $as_of::TIMESTAMP) AS ads_running
            FROM read_parquet($mart_impressions) INNER JOIN ends ON ad_id = campaign_id
            WHERE shown_at < $as_of::TIMESTAMP GROUP BY user_id
        )
        SELECT users.user_id,
            coalesce(ads_before, 0) AS ads_before,
            coalesce(answers_before, 0) AS answers_before,
            coalesce(ads_running, 0) AS ads_running
            {listed}
        FROM {counted} AS users
        LEFT JOIN mailings ON users.user_id = mailings.user_id
        {" ".join(joins)}
        ORDER BY users.user_id
    """


def _items_sql(offer: Offer) -> tuple[dict[str, object], str]:
    """Parameters, and the condition on items."""
    if offer.items:
        return {"listed": list(offer.items)}, "list_contains($listed, item_id)"
    levels = range(1, len(offer.category) + 1)
    condition = " AND ".join(f"category_{level} = $level_{level}" for level in levels)
    return {f"level_{level}": offer.category[level - 1] for level in levels}, condition
