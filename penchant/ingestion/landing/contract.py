"""Contracts of batch files, and the reasons for which a file is quarantined.

Timestamps are naive microseconds in UTC. A file with nanoseconds is quarantined even if its values
would fit: pandas, Feast and DuckDB read such a file in three different ways. (Parquet's legacy
INT96, which has no unit and which Spark writes and Complete Journey ships, is read as
microseconds.)
"""

from dataclasses import asdict, dataclass
from enum import StrEnum


class Code(StrEnum):
    """Why a file is quarantined."""

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
    TIMESTAMP_SKIPPED = "timestamp_skipped"
    TIMESTAMP_WITHOUT_YEAR = "timestamp_without_year"
    SET_ASIDE = "set_aside"


@dataclass(frozen=True)
class Reason:
    """A breach of the contract; ``rows`` is the number of rows, None for the whole file.

    ``first_row`` is the first of them, 1 for the row after a header, and ``value`` what the file
    has in the column there.
    """

    code: Code
    column: str | None
    detail: str
    rows: int | None = None
    first_row: int | None = None
    value: str | None = None

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class Column:
    """A column of a batch. ``type`` is DuckDB's: BIGINT, DOUBLE, VARCHAR, TIMESTAMP or BOOLEAN.

    ``minimum`` and ``maximum`` are inclusive; ``accepted`` are the only values allowed;
    ``may_be_ahead`` allows future times, such as the end of a campaign; ``is_id`` forbids blank
    text and NUL, which no other system would show or find again. ``or_from``: the column that
    stands in where a shop's own file has no value. ``rounds_up`` takes fractions of a BIGINT and
    rounds them away from zero: half a kilogram is one piece. ``same_length_by``: lists have one
    length in all rows with the same value of this column.
    """

    name: str
    type: str
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    accepted: tuple[str, ...] = ()
    may_be_ahead: bool = False
    is_id: bool = False
    or_from: str | None = None
    rounds_up: bool = False
    same_length_by: str | None = None


@dataclass(frozen=True)
class Rule:
    """A row breaks the rule if ``violated``, an SQL expression over the typed columns, is true."""

    code: Code
    column: str
    violated: str
    detail: str


@dataclass(frozen=True)
class Contract:
    """The schema of a table's files: exactly these columns, in any order.

    ``key`` is unique within a file; empty if the publisher ships no key. ``row_number`` names a
    BIGINT column that landing adds, 1 for the first row of the file, so that rows have an id.

    ``user_column`` names the person of a row; None in a table whose rows name nobody.
    ``subject_column`` names that person by another id.
    """

    table: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    row_number: str | None = None
    user_column: str | None = None
    subject_column: str | None = None

    @property
    def user_columns(self) -> tuple[str, ...]:
        """All columns that name people."""
        return tuple(each for each in (self.user_column, self.subject_column) if each)
