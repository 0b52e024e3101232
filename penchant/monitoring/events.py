"""What users did by day, from the mart ``events``: what models learn from.

A price is compared with the item's usual one: a rise of all prices is small beside the difference
between a tea and a pan. Nulls are counted among rows of one kind: a day with more views, which have
no value, has no more nulls.
"""

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penchant.monitoring.days import SAMPLE_ROWS, Days
from penchant.monitoring.series import Floats, Ints, Series, Volume, categories, numbers, share
from penchant.quality.views import columns_of

OF_ITEMS = ("category_1", "brand")
OF_USERS = ("age_band", "income_band", "household_size", "household_composition", "marital_status")
OF_PURCHASES = ("quantity", "value", "relative_price")


def event_series(connection: duckdb.DuckDBPyConnection, days: Days) -> list[Series]:
    """From the views ``events``, ``items`` and ``users`` of a snapshot's marts."""
    rows_D = rows_by_day(connection, days, "events", "event_at")
    table = _table(connection, days, int(rows_D.sum()))
    day_N = table["day"].to_numpy()
    bought_N = pc.equal(table["event_type"], "purchase").to_numpy()
    of_item_N = pc.not_equal(table["event_type"], "search").to_numpy()
    number = days.number
    found: list[Series] = [
        Volume("events", "outcomes", rows_D),
        categories("events.event_type", "outcomes", number, day_N, table["event_type"]),
    ]
    for name in ("hour", *OF_ITEMS, *OF_USERS):
        if name in table.column_names:
            found.append(categories(f"events.{name}", "features", number, day_N, table[name]))
    for name in OF_PURCHASES:
        value_N = _numbers(table, name)[bought_N]
        found.append(numbers(f"purchases.{name}", "outcomes", number, day_N[bought_N], value_N))
    nullable = [
        *(("events", of_item_N, name) for name in ("item_id", "item_price", *OF_ITEMS)),
        *(("purchases", bought_N, name) for name in ("quantity", "value")),
        *(("events", np.ones(len(day_N), bool), name) for name in OF_USERS),
    ]
    for rows, kept_N, name in nullable:
        if name in table.column_names:
            null_N = table[name].is_null().to_numpy()[kept_N]
            found.append(share(f"{rows}.{name}: null", "features", number, day_N[kept_N], null_N))
    return found


def rows_by_day(
    connection: duckdb.DuckDBPyConnection, days: Days, table: str, time: str, where: str = "true"
) -> Ints:
    """rows_D of a table; of day 0 the mean of the watched days."""
    counted = connection.execute(
        f"select {days.day(time)} as day, count(*) from {table} "
        f"where {days.within(time)} and {where} group by day"
    ).fetchall()
    rows_D = np.zeros(days.number, dtype=np.int64)
    for day, rows in counted:
        rows_D[day] = rows
    rows_D[0] = round(rows_D[0] / days.watched)
    return rows_D


def _table(connection: duckdb.DuckDBPyConnection, days: Days, rows: int) -> pa.Table:
    """A sample of events with what is known of their items and users."""
    columns = [
        *(f"items.{name}" for name in OF_ITEMS if name in columns_of(connection, "items")),
        *(f"users.{name}" for name in OF_USERS if name in columns_of(connection, "users")),
        *(["items.price as item_price"] if "price" in columns_of(connection, "items") else []),
    ]
    within, day = days.within("event_at"), days.day("event_at")
    return connection.sql(
        f"""
        with sampled as (
            select *, {day} as day from events
            where {within} and hash(event_id) % {max(rows, 1)} < {SAMPLE_ROWS}
        ),
        usual as (
            select item_id, median(value / quantity) as price from sampled
            where event_type = 'purchase' and day > 0 and quantity > 0 and value > 0
            group by item_id
        )
        select
            day, event_type, item_id, quantity, value,
            cast(hour(event_at) // 4 * 4 as varchar) as hour,
            case when quantity > 0 and value > 0 then
                round(ln(value / quantity / usual.price), 6)
            end as relative_price
            {"".join(f", {column}" for column in columns)}
        from sampled
        left join usual using (item_id)
        left join items using (item_id)
        left join users using (user_id)
        """
    ).to_arrow_table()


def _numbers(table: pa.Table, name: str) -> Floats:
    """NaN where null."""
    return np.asarray(table[name].cast(pa.float64()).fill_null(np.nan))
