"""UCI Online Retail: invoice lines of a British gift wholesaler, one gzipped CSV per day.

Files are named ``YYYY-MM-DD.csv.gz``, in the folder of ``--path`` or PENCHANT_SOURCE_PATH. As
shipped, rows repeat, so there is no key and landing adds ``line_number``. Guests have no
CustomerID. A quantity is negative in a return (InvoiceNo starts with C) and in a stock adjustment
(no customer, no price). A price is negative only in an adjusted bad debt (InvoiceNo starts with A).
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
            "not six digits with an optional A or C before them",
        ),
        Rule(
            Code.NEGATIVE_QUANTITY,
            "Quantity",
            "Quantity < 0 AND NOT starts_with(InvoiceNo, 'C') "
            "AND NOT (CustomerID IS NULL AND UnitPrice = 0)",
            "negative, but neither a return nor a stock adjustment",
        ),
        Rule(
            Code.NOT_ALLOWED,
            "UnitPrice",
            "UnitPrice < 0 AND NOT starts_with(InvoiceNo, 'A')",
            "negative, but not an adjusted debt",
        ),
    ),
    row_number="line_number",
    user_column="CustomerID",
)
CONTRACTS = (INVOICES,)


def arrivals(request: Request) -> list[Arrival]:
    """The file of the requested day, or of every day.

    Raises UsageError when there is no folder or no file, NothingToDo when that day has none.
    """
    folder = request.folder
    if folder is None:
        raise UsageError(
            f"the source {NAME!r} needs the folder of its daily files",
            "pass --path or set PENCHANT_SOURCE_PATH",
        )
    if request.day:
        file = folder / f"{request.day:%Y-%m-%d}.csv.gz"
        if not file.is_file():
            raise NothingToDo(
                f"{folder} has no file {file.name}",
                "pass a day that has a file: the shop was closed on some days",
            )
        return [Arrival(INVOICES, file)]
    files = sorted(file for file in folder.glob(FILES) if file.is_file())
    if not files:
        raise UsageError(f"{folder} has no file named YYYY-MM-DD.csv.gz", "fix --path")
    return [Arrival(INVOICES, file) for file in files]
