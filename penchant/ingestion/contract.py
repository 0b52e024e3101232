"""What a batch file must be like, and the check that says in which ways one is not.

A contract is checked with a few aggregate queries that DuckDB runs over the whole file: nothing is
brought into Python but counts. The answer is a list of reasons, meant for machines; their ``code``
is one of :class:`Code`.

Timestamps are naive microseconds in UTC. A file that holds nanoseconds is refused even where its
values would fit: whoever reads it next with pandas, Feast or DuckDB gets three different answers.
(Parquet's legacy INT96, which knows no unit, is what Spark and the Complete Journey ship: it is read
as microseconds.)
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum

import duckdb

from penchant.ingestion.reading import Reading, identifier, literal

INTEGERS = {
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
}
FLOATS = {"FLOAT", "DOUBLE"}
MICROSECONDS = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "DATE", "TIMESTAMP WITH TIME ZONE"}
# What Parquet may hold for each type of a contract: only casts that lose nothing.
ACCEPTS = {
    "BIGINT": INTEGERS,
    "DOUBLE": FLOATS | INTEGERS,
    "VARCHAR": {"VARCHAR", "UUID"} | INTEGERS,
    "TIMESTAMP": MICROSECONDS,
    "BOOLEAN": {"BOOLEAN"},
}

FIRST_YEAR = 1971  # strptime without a year gives 1900, an empty epoch 1970
LAST_YEAR = 9999  # beyond it lie nanoseconds that were taken for microseconds
SMALLEST_NANOSECONDS = 10**17  # 1973 in nanoseconds, the year 5138 in microseconds


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
    rules: tuple[Rule, ...] = field(default=())
    row_number: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What the check found: the rows of the file, and no reasons if the contract holds."""

    rows: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class _Check:
    """A wrong row is one where ``violated`` is true."""

    code: Code
    column: str
    violated: str
    detail: str


def check(
    connection: duckdb.DuckDBPyConnection, contract: Contract, reading: Reading, now: datetime
) -> Verdict:
    """Check the whole file; ``now`` is naive UTC. Raises duckdb.Error where a page can't be read."""
    shape = [*_column_reasons(contract, reading), *_type_reasons(contract, reading)]
    if shape:
        return Verdict(0, tuple(shape))
    checks = [
        *(each for column in contract.columns for each in _value_checks(column, reading, now)),
        *(_Check(rule.code, rule.column, rule.violated, rule.detail) for rule in contract.rules),
    ]
    counts = ", ".join(f"count(*) FILTER (WHERE {each.violated})" for each in checks)
    typed = _typed(contract, reading)
    # The hash makes DuckDB decode every value: a torn page is found here or by nobody.
    every = ", ".join(identifier(f"given:{column.name}") for column in contract.columns)
    query = f"SELECT count(*), bit_xor(hash({every})), {counts} FROM ({typed})"
    rows, _, *found = connection.execute(query).fetchall()[0]
    if not rows:
        return Verdict(0, (Reason(Code.NO_ROWS, None, "the file has columns but no rows"),))
    reasons = [
        Reason(each.code, each.column, each.detail, wrong)
        for each, wrong in zip(checks, found, strict=True)
        if wrong
    ]
    return Verdict(rows, (*reasons, *_duplicates(connection, contract, typed)))


def landed_sql(contract: Contract, reading: Reading) -> str:
    """A query of the file's rows, in file order, with the contract's columns and types."""
    columns = [
        f"{value_sql(column, reading)} AS {identifier(column.name)}" for column in contract.columns
    ]
    if contract.row_number:
        columns.append(f"row_number() OVER () AS {identifier(contract.row_number)}")
    return f"SELECT {', '.join(columns)} FROM {reading.relation}"


def empty_sql(contract: Contract) -> str:
    """A query of no rows with the columns and types that landed batches have."""
    types = [(column.name, column.type) for column in contract.columns]
    if contract.row_number:
        types.append((contract.row_number, "BIGINT"))
    columns = ", ".join(f"CAST(NULL AS {type_}) AS {identifier(name)}" for name, type_ in types)
    return f"SELECT {columns} WHERE false"


def is_verbatim(contract: Contract, reading: Reading) -> bool:
    """Whether the file is Parquet with exactly the columns, order and types that land."""
    types = [(column.name, column.type) for column in contract.columns]
    given = [(name, column.type) for name, column in reading.columns.items()]
    return reading.plain_parquet and not contract.row_number and given == types


def value_sql(column: Column, reading: Reading) -> str:
    """The column's value in its own type; NULL where a text can't be read as that type."""
    given = reading.columns[column.name]
    if given.parse:
        return given.parse
    if given.type == column.type:
        return given.sql
    if column.type == "TIMESTAMP" and given.type in INTEGERS:
        return "CAST(NULL AS TIMESTAMP)"  # a number has no unit: only a mapping can say
    if column.type == "TIMESTAMP":
        # By way of a zoned type: a direct cast would drop an offset such as +02:00.
        return f"TRY_CAST({given.sql} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
    if column.type == "BIGINT" and reading.text:
        whole = f"regexp_full_match({given.sql}, '\\s*[+-]?[0-9]+(\\.0*)?\\s*')"
        return f"CASE WHEN {whole} THEN TRY_CAST({given.sql} AS BIGINT) END"
    return f"TRY_CAST({given.sql} AS {column.type})"


def _column_reasons(contract: Contract, reading: Reading) -> list[Reason]:
    expected = [column.name for column in contract.columns]
    unexpected = [name for name in reading.columns if name not in expected]
    hint = f"; the file has {', '.join(unexpected)} instead" if unexpected else ""
    return [
        *(
            Reason(Code.MISSING_COLUMN, name, f"no column {name}{hint}")
            for name in expected
            if name not in reading.columns
        ),
        *(
            Reason(Code.UNEXPECTED_COLUMN, name, f"column {name} is not known")
            for name in unexpected
        ),
    ]


def _type_reasons(contract: Contract, reading: Reading) -> list[Reason]:
    """Types that are wrong for the whole file; in text files it is the values that are checked."""
    if reading.text:
        return []
    return [
        reason
        for column in contract.columns
        if column.name in reading.columns and not reading.columns[column.name].parse
        for reason in _type_reason(column, reading.columns[column.name].type)
    ]


def _type_reason(column: Column, given: str) -> list[Reason]:
    wants_time = column.type == "TIMESTAMP"
    if wants_time and given.startswith("TIMESTAMP_NS"):
        detail = "nanoseconds: write microseconds (pyarrow: coerce_timestamps='us')"
        return [Reason(Code.TIMESTAMP_NANOSECONDS, column.name, detail)]
    if given in ACCEPTS[column.type] or given == '"NULL"':
        return []
    if wants_time and given in {"BIGINT", "UBIGINT", "VARCHAR"}:
        return []  # _value_checks tells nanoseconds, missing years and the rest apart
    if column.type == "DOUBLE" and given.startswith("DECIMAL"):
        return []
    return [Reason(Code.WRONG_TYPE, column.name, f"expected {column.type}, found {given}")]


def _value_checks(column: Column, reading: Reading, now: datetime) -> list[_Check]:
    """The checks of one column's values, over the typed columns and, as ``given:NAME``, the file's."""
    value, given = identifier(column.name), identifier(f"given:{column.name}")
    checks = []
    if not column.nullable:
        checks.append(
            _Check(Code.NULL_VALUE, column.name, f"{given} IS NULL", "required, but null")
        )
    if column.type == "TIMESTAMP":
        checks += _time_checks(column, value, given, now)
    else:
        checks.append(
            _Check(
                Code.WRONG_TYPE,
                column.name,
                f"{given} IS NOT NULL AND {value} IS NULL",
                f"not {column.type}",
            )
        )
    if column.type == "DOUBLE":
        checks.append(
            _Check(Code.NOT_FINITE, column.name, f"NOT isfinite({value})", "NaN or infinite")
        )
    if column.minimum is not None:
        below = f"{value} < {column.minimum}"
        checks.append(_Check(Code.NOT_ALLOWED, column.name, below, f"less than {column.minimum:g}"))
    if column.maximum is not None:
        # NaN is greater than every number: it has its own code.
        above = f"{value} > {column.maximum} AND isfinite({value}::DOUBLE)"
        checks.append(_Check(Code.NOT_ALLOWED, column.name, above, f"more than {column.maximum:g}"))
    if column.accepted:
        listed = ", ".join(literal(each) for each in column.accepted)
        other = f"{value} NOT IN ({listed})"
        checks.append(_Check(Code.NOT_ALLOWED, column.name, other, f"not one of {listed}"))
    return checks


def _time_checks(column: Column, value: str, given: str, now: datetime) -> list[_Check]:
    """One code for each wrong timestamp: whichever of these comes first."""
    text = f"CAST({given} AS VARCHAR)"
    unread = f"{given} IS NOT NULL AND {value} IS NULL"
    endless = f"{value} IS NOT NULL AND NOT isfinite({value})"
    nanoseconds = (
        f"({unread} AND abs(TRY_CAST({text} AS HUGEINT)) >= {SMALLEST_NANOSECONDS}) "
        f"OR regexp_matches({text}, '\\.[0-9]{{6}}[0-9]*[1-9]') AND length({text}) > 26 "
        f"OR (isfinite({value}) AND year({value}) > {LAST_YEAR})"
    )
    # Two numbers with a separator and perhaps a time: 12-01 08:26, 01/12, 08:26, Dec 1 08:26.
    yearless = (
        f"({unread} AND regexp_full_match({text}, "
        "'\\s*([0-9]{1,2}|[A-Za-z]{3,9})[-/. ]+([0-9]{1,2}|[A-Za-z]{3,9})\\.?"
        "([T ,]+[0-9]{1,2}:[0-9:.]+)?\\s*|\\s*[0-9]{1,2}:[0-9:.]+\\s*')) "
        f"OR (isfinite({value}) AND year({value}) < {FIRST_YEAR})"
    )
    ahead = f"isfinite({value}) AND {value} > TIMESTAMP {literal(now.isoformat(sep=' '))}"
    kinds = [
        (Code.NOT_FINITE, endless, "infinite"),
        (Code.TIMESTAMP_NANOSECONDS, nanoseconds, "nanoseconds: write microseconds"),
        (Code.TIMESTAMP_WITHOUT_YEAR, yearless, f"no year, or one before {FIRST_YEAR}"),
        (Code.WRONG_TYPE, unread, "not a timestamp"),
    ]
    if not column.may_be_ahead:
        kinds.append((Code.TIMESTAMP_FUTURE, ahead, f"later than now, {now:%Y-%m-%d %H:%M} UTC"))
    checks = []
    before: list[str] = []
    for code, violated, detail in kinds:
        first = "".join(f" AND NOT coalesce({each}, false)" for each in before)
        checks.append(_Check(code, column.name, f"({violated}){first}", detail))
        before.append(f"({violated})")
    return checks


def _typed(contract: Contract, reading: Reading) -> str:
    """A query of each column twice: typed, and as given under the name ``given:NAME``."""
    columns = [
        f"{value_sql(column, reading)} AS {identifier(column.name)}, "
        f"{reading.columns[column.name].sql} AS {identifier(f'given:{column.name}')}"
        for column in contract.columns
    ]
    return f"SELECT {', '.join(columns)} FROM {reading.relation}"


def _duplicates(
    connection: duckdb.DuckDBPyConnection, contract: Contract, typed: str
) -> Sequence[Reason]:
    """Rows beyond the first of each key."""
    if not contract.key:
        return ()
    key = ", ".join(identifier(name) for name in contract.key)
    counted = f"SELECT count(*) AS n FROM ({typed}) GROUP BY {key} HAVING n > 1"
    extra = connection.execute(
        f"SELECT coalesce(sum(n - 1), 0)::BIGINT FROM ({counted})"
    ).fetchall()
    if not extra[0][0]:
        return ()
    names = ", ".join(contract.key)
    return (Reason(Code.DUPLICATE_KEY, names, f"({names}) is not unique", extra[0][0]),)
