"""What a batch file must be like, and the words in which one that is not is refused.

Timestamps are naive microseconds in UTC. A file that holds nanoseconds is refused even where its
values would fit: pandas, Feast and DuckDB read such a file in three different ways. (Parquet's
legacy INT96, which names no unit and is what Spark writes and Complete Journey ships, is read as
microseconds.)
"""

from dataclasses import asdict, dataclass
from enum import StrEnum


class Code(StrEnum):
    """Why a file is refused."""

    UNREADABLE_FILE = "unreadable_file"
    UNDECODABLE_TEXT = "undecodable_text"
    NO_ROWS = "no_rows"
    MISSING_COLUMN = "missing_column"
    UNEXPECTED_COLUMN = "unexpected_column"
    WRONG_TYPE = "wrong_type"
    NULL_VALUE = "null_value"
    NOT_FINITE = "not_finite"
    NOT_ALLOWED = "not_allowed"
    NEGATIVE_QUANTITY = "negative_quantity"
    DUPLICATE_KEY = "duplicate_key"
    TIMESTAMP_FUTURE = "timestamp_future"
    TIMESTAMP_NANOSECONDS = "timestamp_nanoseconds"
    TIMESTAMP_WITHOUT_YEAR = "timestamp_without_year"


@dataclass(frozen=True)
class Reason:
    """One way in which a file breaks its contract; ``rows`` is None where it is the whole file."""

    code: Code
    column: str | None
    detail: str
    rows: int | None = None

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class Column:
    """A column of a batch. ``type`` is DuckDB's: BIGINT, DOUBLE, VARCHAR, TIMESTAMP or BOOLEAN.

    ``minimum`` and ``maximum`` are inclusive; ``accepted`` are the only values allowed;
    ``may_be_ahead`` is for dates that are planned, such as the end of a campaign.
    """

    name: str
    type: str
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    accepted: tuple[str, ...] = ()
    may_be_ahead: bool = False


@dataclass(frozen=True)
class Rule:
    """A row is wrong where ``violated``, an SQL expression over the typed columns, is true."""

    code: Code
    column: str
    violated: str
    detail: str


@dataclass(frozen=True)
class Contract:
    """The shape of one table's batches: exactly these columns, in any order.

    ``key`` is unique within a file; empty where the publisher ships no key. ``row_number`` names a
    BIGINT column, 1 for the first row of the file, that landing adds so that rows are addressable.
    """

    table: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    row_number: str | None = None
