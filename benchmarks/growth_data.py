"""Synthetic events of any number, as Parquet files of the source `files`, with their mapping."""

from pathlib import Path

import duckdb

EVENTS_A_USER = 50
EVENTS_AN_ITEM = 200
DAYS = 365
OWN_ITEMS = 20  # that a user returns to

MAPPING = """\
tables:
  items:
    path: items.parquet
    columns: {item_id: item_id, title: title, category_1: category_1, category_2: category_2,
              brand: brand, price: price}
  events:
    path: events_*.parquet
    columns: {event_id: event_id, user_id: user_id, session_id: session_id, item_id: item_id,
              event_type: event_type, quantity: quantity, value: value, event_at: event_at}
"""


def write_shop(folder: Path, events: int) -> None:
    """A year of a shop: 70 % views, 15 % carts, 15 % purchases; a file of events for each month.

    Activity of users and popularity of items are skewed; users return to items of their
    own. The same number gives the same events.
    """
    folder.mkdir(parents=True)
    (folder / "mapping.yml").write_text(MAPPING)
    users, items = max(100, events // EVENTS_A_USER), max(100, events // EVENTS_AN_ITEM)
    connection = duckdb.connect()

    def uniform(salt: str) -> str:
        return f"(hash(i, '{salt}') % 1000003 / 1000003.0)"

    connection.execute(
        f"""copy (
            select 'i' || i as item_id, 'Item ' || i as title,
                'Department ' || cast(20 * {uniform("c1")} as int) as category_1,
                'Category ' || cast(300 * {uniform("c2")} as int) as category_2,
                'Brand ' || cast(500 * {uniform("b")} as int) as brand,
                round(1 + 50 * {uniform("p")}, 2) as price
            from range({items}) as numbers(i)
        ) to '{folder / "items.parquet"}'"""
    )
    for month in range(12):
        first, last = (events * each // 12 for each in (month, month + 1))
        connection.execute(
            f"""copy (
                select 'e' || i as event_id, 'u' || user_number as user_id,
                    user_id || '-' || cast(event_at as date) as session_id,
                    'i' || cast(floor({items} * pow(preference, 2.5)) as int) as item_id,
                    case when kind < 0.7 then 'view' when kind < 0.85 then 'cart'
                        else 'purchase' end as event_type,
                    1 as quantity,
                    case when kind >= 0.85 then round(1 + 50 * {uniform("v")}, 2) end as value,
                    event_at
                from (
                    select i, user_number, {uniform("k")} as kind,
                        case when {uniform("o")} < 0.6
                            then hash(user_number, i % {OWN_ITEMS}) % 1000003 / 1000003.0
                            else {uniform("i")} end as preference,
                        timestamp '2024-01-01'
                            + to_seconds(i * {DAYS * 86400} // {events}) as event_at
                    from (select i, cast(floor({users} * pow({uniform("u")}, 1.5)) as int)
                              as user_number
                          from range({first}, {last}) as numbers(i))
                )
            ) to '{folder / f"events_{month:02}.parquet"}'"""
        )
    connection.close()
