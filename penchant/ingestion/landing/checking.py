"""Check a file against its contract, and build the queries that land it.

DuckDB checks the whole file with a few aggregate queries; Python receives only the number of rows
for each reason.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from penchant.ingestion.landing.contract import Code, Column, Contract, Reason, Rule
from penchant.ingestion.landing.reading import Reading, identifier, literal

INTEGERS = frozenset(
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
)
FRACTIONS = frozenset({"FLOAT", "DOUBLE", "DECIMAL"})
VECTOR = "FLOAT[]"
# The Parquet types accepted for each contract type: only lossless casts.
ACCEPTS = {
    "BIGINT": INTEGERS,
    "DOUBLE": INTEGERS | FRACTIONS,
    "VARCHAR": INTEGERS | {"VARCHAR", "UUID"},
    # _time_rules reports what is wrong with numbers and text.
    "TIMESTAMP": frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "DATE"})
    | {"TIMESTAMP WITH TIME ZONE", "BIGINT", "UBIGINT", "VARCHAR"},
    "BOOLEAN": frozenset({"BOOLEAN"}),
    VECTOR: frozenset({VECTOR, "DOUBLE[]"}),
}
ROW = '"row:"'  # place of a row in the file, from 1
ONLY_NULLS = '"NULL"'  # DuckDB's type of a Parquet column without values

FIRST_YEAR = 1971  # strptime without a year gives 1900, an empty epoch 1970
LAST_YEAR = 9999  # later years are nanoseconds read as microseconds
SMALLEST_NANOSECONDS = 10**17  # 1973 in nanoseconds, the year 5138 in microseconds

CLOCK_TOLERANCE = timedelta(minutes=10)  # that the clock of a till or a browser may be ahead
MOST_OF_A_VALUE = 80  # characters of it that a reason shows

FINER_THAN_MICROSECONDS = r"[0-9]\.[0-9]{6}[0-9]*[1-9][0-9]*([^0-9].*)?$"
# A time only, or day and month with an optional time: 08:26, 12-01 08:26, 01/12, Dec 1 08:26.
_CLOCK = r"[0-9]{1,2}:[0-9:.]+"
_PART = r"([0-9]{1,2}|[A-Za-z]{3,9})"
WITHOUT_YEAR = rf"\s*({_CLOCK}|{_PART}[-/. ]+{_PART}\.?([T ,]+{_CLOCK})?)\s*"
WHOLE_NUMBER = r"\s*[+-]?[0-9]+(\.0*)?\s*"  # pandas writes an integer beside nulls as 17850.0


@dataclass(frozen=True)
class CheckResult:
    """The number of rows, and the reasons to quarantine the file, if any."""

    rows: int
    reasons: tuple[Reason, ...]


def check(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    reading: Reading,
    now: datetime,
    empty_allowed: bool = False,
) -> CheckResult:
    """Check a file; ``now`` is naive UTC. Raises duckdb.Error when it can't be read.

    ``empty_allowed``: a file of a header alone is a day without trade, no reason to quarantine it.
    """
    shape = [*_column_reasons(contract, reading), *_type_reasons(contract, reading)]
    if shape:
        return CheckResult(0, tuple(shape))
    rules = _rules(contract, reading, now)
    counts = ", ".join(f"count(*) FILTER (WHERE {rule.violated})" for rule in rules)
    # The hash makes DuckDB decode every value, which detects torn pages.
    every = ", ".join(_as_given(column) for column in contract.columns)
    typed = _typed(contract, reading, now)
    query = f"SELECT count(*), bit_xor(hash({every})), {counts} FROM ({typed})"
    rows, _, *found = connection.execute(query).fetchall()[0]
    if not rows and not empty_allowed:
        return CheckResult(0, (Reason(Code.NO_ROWS, None, "the file has a header but no rows"),))
    broken = [(rule, wrong) for rule, wrong in zip(rules, found, strict=True) if wrong]
    reasons = _located(connection, typed, broken)
    whole = (*_duplicates(connection, contract, typed), *_lengths(connection, contract, typed))
    return CheckResult(rows, (*reasons, *whole))


def broken_rows_sql(contract: Contract, reading: Reading, now: datetime) -> str:
    """A query for the rows of a file that break a rule or repeat a key: place in the file, code,
    column, detail and value, once for each rule."""
    typed = _typed(contract, reading, now)
    parts = [
        f"SELECT {ROW} AS place, {literal(rule.code)} AS code, {literal(rule.column)} AS rejected, "
        f"{literal(rule.detail)} AS detail, "
        f"left(CAST({identifier(f'given:{rule.column}')} AS VARCHAR), {MOST_OF_A_VALUE}) AS value "
        f"FROM ({typed}) WHERE {rule.violated}"
        for rule in _rules(contract, reading, now)
    ]
    if contract.key:
        key = ", ".join(identifier(name) for name in contract.key)
        shown = ", ".join(f"CAST({identifier(name)} AS VARCHAR)" for name in contract.key)
        parts.append(
            f"SELECT {ROW}, {literal(Code.DUPLICATE_KEY)}, {literal(', '.join(contract.key))}, "
            f"'repeats an earlier row', left(concat_ws(', ', {shown}), {MOST_OF_A_VALUE}) "
            f"FROM ({typed}) QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {ROW}) > 1"
        )
    return " UNION ALL ".join(parts)


def _rules(contract: Contract, reading: Reading, now: datetime) -> list[Rule]:
    """What each row is checked for."""
    return [
        *(rule for column in contract.columns for rule in _value_rules(column, reading, now)),
        *contract.rules,
    ]


def _located(
    connection: duckdb.DuckDBPyConnection, typed: str, broken: list[tuple[Rule, int]]
) -> list[Reason]:
    """The reasons of the rules that some rows break, with the first such row of each."""
    if not broken:
        return []
    firsts = []
    for rule, _ in broken:
        value = f"CAST({identifier(f'given:{rule.column}')} AS VARCHAR)"
        firsts.append(f"min({ROW}) FILTER (WHERE {rule.violated})")
        firsts.append(f"arg_min(coalesce({value}, 'null'), {ROW}) FILTER (WHERE {rule.violated})")
    found = connection.execute(f"SELECT {', '.join(firsts)} FROM ({typed})").fetchall()[0]
    return [
        Reason(rule.code, rule.column, rule.detail, wrong, row, value[:MOST_OF_A_VALUE])
        for (rule, wrong), row, value in zip(broken, found[::2], found[1::2], strict=True)
    ]


def landed_sql(contract: Contract, reading: Reading) -> str:
    """A query for the file's rows, in file order, with the contract's columns and types."""
    columns = [
        f"{_value(column, reading)} AS {identifier(column.name)}" for column in contract.columns
    ]
    if contract.row_number:
        columns.append(f"row_number() OVER () AS {identifier(contract.row_number)}")
    return f"SELECT {', '.join(columns)} FROM {reading.relation}"


def empty_sql(contract: Contract) -> str:
    """A query without rows, with the columns and types of landed batches."""
    types = [(column.name, column.type) for column in contract.columns]
    if contract.row_number:
        types.append((contract.row_number, "BIGINT"))
    columns = ", ".join(f"CAST(NULL AS {type_}) AS {identifier(name)}" for name, type_ in types)
    return f"SELECT {columns} WHERE false"


def is_verbatim(contract: Contract, reading: Reading) -> bool:
    """Whether the file is Parquet with exactly the columns, order and types of a batch."""
    types = [(column.name, column.type) for column in contract.columns]
    given = [(name, column.type) for name, column in reading.columns.items()]
    return reading.plain_parquet and not contract.row_number and given == types


def _column_reasons(contract: Contract, reading: Reading) -> list[Reason]:
    expected = [column.name for column in contract.columns]
    unexpected = [name for name in reading.columns if name not in expected]
    instead = f"; the file also has {', '.join(unexpected)}" if unexpected else ""
    missing = [
        Reason(
            Code.MISSING_COLUMN,
            name,
            reading.absent.get(name, f"no column {name}{instead}; add it or map it"),
        )
        for name in expected
        if name not in reading.columns
    ]
    return missing + [
        Reason(
            Code.UNEXPECTED_COLUMN,
            name,
            f"the contract has no column {name}; remove it from the file",
        )
        for name in unexpected
    ]


def _type_reasons(contract: Contract, reading: Reading) -> list[Reason]:
    """Columns of a wrong type. In text files each value is checked instead."""
    reasons = []
    for column in contract.columns:
        given = reading.columns.get(column.name)
        if reading.text or given is None or given.type == ONLY_NULLS:
            continue
        if column.type == "TIMESTAMP" and given.type.startswith("TIMESTAMP_NS"):
            detail = "nanoseconds: write microseconds (pyarrow: coerce_timestamps='us')"
            reasons.append(Reason(Code.TIMESTAMP_NANOSECONDS, column.name, detail))
        elif given.type.split("(")[0] not in ACCEPTS[column.type] | (
            FRACTIONS if column.rounds_up else frozenset()
        ):
            detail = f"expected {column.type}, found {given.type}"
            reasons.append(Reason(Code.WRONG_TYPE, column.name, detail))
    return reasons


def _value(column: Column, reading: Reading) -> str:
    """The column cast to its type; NULL where a value can't be cast."""
    given = reading.columns[column.name]
    if given.parse:
        return given.parse
    if given.type == column.type:
        return given.sql
    if column.type == "TIMESTAMP" and given.type in INTEGERS:
        return "CAST(NULL AS TIMESTAMP)"  # a number has no unit unless a mapping names it
    if column.type == "TIMESTAMP":
        # Cast to a zoned type first: a direct cast would drop an offset such as +02:00.
        return f"TRY_CAST({given.sql} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
    if column.rounds_up and (reading.text or given.type.split("(")[0] in FRACTIONS):
        number = f"TRY_CAST({given.sql} AS DOUBLE)"
        return f"TRY_CAST(sign({number}) * ceil(abs({number})) AS BIGINT)"
    cast = f"TRY_CAST({given.sql} AS {column.type})"
    if column.type == "BIGINT" and reading.text:  # the cast alone would round 1.5
        whole = f"regexp_full_match({given.sql}, {literal(WHOLE_NUMBER)})"
        return f"CASE WHEN {whole} THEN {cast} END"
    return cast


def _typed(contract: Contract, reading: Reading, now: datetime) -> str:
    """A query for each column's typed value, its value in the file, and problems of timestamps."""
    columns = [
        f"{_value(column, reading)} AS {identifier(column.name)}, "
        f"{reading.columns[column.name].sql} AS {_as_given(column)}"
        for column in contract.columns
    ]
    columns += [
        f"{reading.columns[column.name].skipped or 'false'} AS {_skipped(column)}"
        for column in contract.columns
        if column.type == "TIMESTAMP"
    ]
    problems = [
        f"{_time_problem(column, now)} AS {_problem(column)}"
        for column in contract.columns
        if column.type == "TIMESTAMP"
    ]
    columns.append(f"{reading.row} AS {ROW}")
    values = f"SELECT {', '.join(columns)} FROM {reading.relation}"
    return f"SELECT {', '.join(['*', *problems])} FROM ({values})"


def _as_given(column: Column) -> str:
    return identifier(f"given:{column.name}")


def _skipped(column: Column) -> str:
    return identifier(f"skipped:{column.name}")


def _problem(column: Column) -> str:
    return identifier(f"problem:{column.name}")


def _value_rules(column: Column, reading: Reading, now: datetime) -> list[Rule]:
    """The rules of a column, over the columns of :func:`_typed`."""
    name, value, given = column.name, identifier(column.name), _as_given(column)
    unread = f"{given} IS NOT NULL AND {value} IS NULL"
    rules = []
    if not column.nullable:
        rules.append(Rule(Code.NULL_VALUE, name, f"{given} IS NULL", "null in a required column"))
    if column.type == "TIMESTAMP":
        rules += _time_rules(column, now)
    elif reading.columns[name].type != column.type:
        rules.append(Rule(Code.WRONG_TYPE, name, unread, f"not of type {column.type}"))
    if column.type == "DOUBLE":
        rules.append(
            Rule(
                Code.NOT_FINITE, name, f"NOT isfinite({value})", "NaN and infinity are not allowed"
            )
        )
    if column.type == VECTOR:
        finite = f"len(list_filter({value}, lambda each: isfinite(each))) = len({value})"
        rules += [
            Rule(Code.NOT_FINITE, name, f"NOT {finite}", "null, NaN or infinity in a vector"),
            Rule(Code.NOT_ALLOWED, name, f"len({value}) = 0", "an empty vector"),
        ]
    if column.is_id and column.type == "VARCHAR":
        blank = f"trim({value}) = '' OR contains({value}, chr(0))"
        rules.append(Rule(Code.NOT_ALLOWED, name, blank, "blank, or with a NUL character"))
    if column.minimum is not None:
        below = f"{value} < {column.minimum}"
        rules.append(
            Rule(Code.NOT_ALLOWED, name, below, f"less than the minimum {column.minimum:g}")
        )
    if column.maximum is not None:
        # NaN, which DuckDB sorts above all numbers, has its own code.
        above = f"{value} > {column.maximum} AND isfinite({value}::DOUBLE)"
        rules.append(
            Rule(Code.NOT_ALLOWED, name, above, f"more than the maximum {column.maximum:g}")
        )
    if column.accepted:
        listed = ", ".join(literal(each) for each in column.accepted)
        rules.append(
            Rule(Code.NOT_ALLOWED, name, f"{value} NOT IN ({listed})", f"not one of {listed}")
        )
    return rules


def _time_rules(column: Column, now: datetime) -> list[Rule]:
    details = {
        Code.NOT_FINITE: "infinity is not allowed",
        Code.TIMESTAMP_NANOSECONDS: "nanoseconds, or a finer unit than timestamp_format names, "
        "such as milliseconds where it is epoch_seconds",
        Code.TIMESTAMP_WITHOUT_YEAR: f"no year, or a year before {FIRST_YEAR}, or a coarser unit "
        "than timestamp_format names",
        Code.TIMESTAMP_SKIPPED: "a local time that the clock skipped when summer time began: the "
        "mapping's timezone is not that of the file; try UTC or a fixed offset such as Etc/GMT-1",
        Code.WRONG_TYPE: "not a timestamp",
        Code.TIMESTAMP_FUTURE: f"in the future: after {now + CLOCK_TOLERANCE:%Y-%m-%d %H:%M} UTC",
    }
    return [
        Rule(code, column.name, f"{_problem(column)} = {literal(code)}", detail)
        for code, detail in details.items()
    ]


def _time_problem(column: Column, now: datetime) -> str:
    """SQL for the code of a timestamp's first problem; NULL without one."""
    value, given = identifier(column.name), _as_given(column)
    text = f"CAST({given} AS VARCHAR)"
    unread = f"({given} IS NOT NULL AND {value} IS NULL)"
    finite = f"isfinite({value})"
    kinds = {
        Code.NOT_FINITE: f"NOT {finite}",
        Code.TIMESTAMP_NANOSECONDS: (
            f"{unread} AND abs(TRY_CAST({text} AS HUGEINT)) >= {SMALLEST_NANOSECONDS} "
            f"OR regexp_matches({text}, {literal(FINER_THAN_MICROSECONDS)}) "
            f"OR {finite} AND year({value}) > {LAST_YEAR}"
        ),
        Code.TIMESTAMP_WITHOUT_YEAR: (
            f"{unread} AND regexp_full_match({text}, {literal(WITHOUT_YEAR)}) "
            f"OR {finite} AND year({value}) < {FIRST_YEAR}"
        ),
        Code.WRONG_TYPE: unread,
        Code.TIMESTAMP_SKIPPED: f"{_skipped(column)}",
    }
    if not column.may_be_ahead:
        latest = literal((now + CLOCK_TOLERANCE).isoformat(sep=" "))
        kinds[Code.TIMESTAMP_FUTURE] = f"{value} > TIMESTAMP {latest}"
    whens = " ".join(f"WHEN {wrong} THEN {literal(code)}" for code, wrong in kinds.items())
    return f"CASE {whens} END"


def _duplicates(
    connection: duckdb.DuckDBPyConnection, contract: Contract, typed: str
) -> tuple[Reason, ...]:
    """The reason for rows whose key repeats an earlier row's, if any."""
    if not contract.key:
        return ()
    key = ", ".join(identifier(name) for name in contract.key)
    repeated = (
        f"SELECT {key}, count(*) - 1 AS extra, min({ROW}) AS first FROM ({typed}) GROUP BY {key} "
        "HAVING extra > 0"
    )
    shown = ", ".join(f"CAST({identifier(name)} AS VARCHAR)" for name in contract.key)
    query = (
        f"SELECT sum(extra)::BIGINT, min(first), arg_min(concat_ws(', ', {shown}), first) "
        f"FROM ({repeated})"
    )
    extra, first, value = connection.execute(query).fetchall()[0]
    if not extra:
        return ()
    names = ", ".join(contract.key)
    detail = f"duplicate key ({names})"
    return (Reason(Code.DUPLICATE_KEY, names, detail, extra, first, value[:MOST_OF_A_VALUE]),)


def _lengths(connection: duckdb.DuckDBPyConnection, contract: Contract, typed: str) -> list[Reason]:
    """A reason for each list column whose lengths differ within a group."""
    reasons = []
    for column in contract.columns:
        if column.same_length_by is None:
            continue
        group, length = identifier(column.same_length_by), f"len({identifier(column.name)})"
        query = (
            f"SELECT {group}, min({length}), max({length}), arg_min({ROW}, {length}), count(*) "
            f"FROM ({typed}) GROUP BY {group} HAVING min({length}) < max({length}) "
            f"ORDER BY {group} LIMIT 1"
        )
        for value, shortest, longest, row, rows in connection.execute(query).fetchall():
            detail = f"from {shortest} to {longest} numbers for {column.same_length_by} {value!r}"
            reasons.append(Reason(Code.NOT_ALLOWED, column.name, detail, rows, row, str(shortest)))
    return reasons
