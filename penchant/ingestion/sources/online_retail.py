"""UCI Online Retail: a British gift wholesaler's invoice lines, one gzipped CSV a day.

Files are named ``YYYY-MM-DD.csv.gz`` in the folder that ``--path`` or PENCHANT_SOURCE_PATH names.
As the publisher ships them: whole rows repeat, so there is no key, and landing adds
``line_number``; guests have no CustomerID; a quantity is negative in a return, whose InvoiceNo
starts with C, and in a stock adjustment, which has no customer and no price; the price is negative
only where a bad debt is adjusted, on an InvoiceNo that starts with A.
"""

from penchant.errors import NothingToDo, UsageError
from penchant.ingestion.landing.arrival import Arrival, Request
from penchant.ingestion.landing.contract import Code, Column, Contract, Rule

NAME = "online_retail"
FILES = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9].csv.gz"

INVOICES = Contract(
    table="invoices",
    columns=(
        Column("InvoiceNo", "VARCHAR"),
        Column("StockCode", "VARCHAR"),
        Column("Description", "VARCHAR", nullable=True),
        Column("Quantity", "BIGINT"),
        Column("InvoiceDate", "TIMESTAMP"),
        Column("UnitPrice", "DOUBLE"),
        Column("CustomerID", "BIGINT", nullable=True),
        Column("Country", "VARCHAR"),
    ),
    rules=(
        Rule(
            Code.NOT_ALLOWED,
            "InvoiceNo",
            "NOT regexp_full_match(InvoiceNo, '[AC]?[0-9]{6,}')",
            "not six digits, with A or C before them",
        ),
        Rule(
            Code.NEGATIVE_QUANTITY,
            "Quantity",
            "Quantity < 0 AND NOT starts_with(InvoiceNo, 'C') "
            "AND NOT (CustomerID IS NULL AND UnitPrice = 0)",
            "negative, and neither a return nor a stock adjustment",
        ),
        Rule(
            Code.NOT_ALLOWED,
            "UnitPrice",
            "UnitPrice < 0 AND NOT starts_with(InvoiceNo, 'A')",
            "negative, and no adjustment of a debt",
        ),
    ),
    row_number="line_number",
)
CONTRACTS = (INVOICES,)


def arrivals(request: Request) -> list[Arrival]:
    """The file of the day that was asked for, or every day's.

    Raises UsageError where there is no folder or no file at all, NothingToDo where that day has
    none.
    """
    folder = request.folder
    if folder is None:
        raise UsageError(
            f"{NAME} needs the folder of its daily files",
            "pass --path or set PENCHANT_SOURCE_PATH",
        )
    if request.day:
        file = folder / f"{request.day:%Y-%m-%d}.csv.gz"
        if not file.is_file():
            raise NothingToDo(
                f"{folder} has no file {file.name}",
                "choose a day that it has: the shop was closed on some days",
            )
        return [Arrival(INVOICES, file)]
    files = sorted(folder.glob(FILES))
    if not files:
        raise UsageError(f"{folder} has no file named YYYY-MM-DD.csv.gz", "point --path elsewhere")
    return [Arrival(INVOICES, file) for file in files]
