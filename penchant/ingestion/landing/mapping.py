"""How a shop's files become rows of a canonical table; ``mapping_file`` reads it from YAML."""

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, field, fields, replace

from penchant.ingestion.landing.contract import Column, Contract
from penchant.ingestion.landing.reading import Given, Reading, TextForm, literal

MICROSECONDS_IN = {
    "epoch_seconds": 1_000_000,
    "epoch_milliseconds": 1_000,
    "epoch_microseconds": 1,
}
WITH_OFFSET = r"[0-9]:[0-9]{2}.*([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)\s*$"
NUMBERS = ("BIGINT", "DOUBLE")
ROW_IN_FILE = "row in file"
SINCE_0_1 = ("table", "columns", "constants", "timestamp_format", "timezone", "delimiter")
NOT_READING = ("key", "path", "whole_table", "from_table", "watermark")
Constant = str | int | float | bool


@dataclass(frozen=True)
class TableMapping:
    """How files of a canonical table are read.

    ``key``: where it is in the mapping file. ``columns``: canonical name → names in the file.
    ``values``: canonical name → value in the file → value that lands; others land as they are.
    ``header``: names of the columns of files without a header. ``null_values``: texts that are
    null. ``decimal`` and ``thousands``: characters in numbers. ``quote``: of CSV, empty for none.
    ``derived``: name → SQL over the columns of the file, a further column. ``filter``: SQL
    condition on the columns; rows for which it isn't true don't land. ``last_of_key``: of rows with
    the same key the last one lands. ``source``: whose ids they are; None for the home's own.
    ``from_table`` and ``watermark``: of the database at ``path``.
    ``whole_table``: a file is the whole table, so rows of earlier
    files that it lacks are deleted. ``reject_rows``: the share of rows that may break a rule; they
    are left out.
    """

    key: str
    table: str
    path: str
    columns: dict[str, tuple[str, ...]]
    constants: dict[str, Constant]
    timestamp_format: str | None = None
    timezone: str = "UTC"
    delimiter: str | None = None
    values: dict[str, dict[str, str]] | None = None
    header: tuple[str, ...] = ()
    null_values: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str = ""
    encoding: str = "utf-8"
    filter: str | None = None
    quote: str = '"'
    derived: dict[str, str] = field(default_factory=dict)
    last_of_key: bool = False
    whole_table: bool = False
    reject_rows: float = 0.0
    source: str | None = None
    from_table: str | None = None
    watermark: str | None = None

    @property
    def text_form(self) -> TextForm:
        """How text files are written."""
        return TextForm(self.delimiter, self.header, self.encoding, self.quote)

    @property
    def file_columns(self) -> tuple[str, ...]:
        """The names of the file's columns that are mapped."""
        return tuple(name for theirs in self.columns.values() for name in theirs)

    def fingerprint(self) -> str:
        """SHA-256 of what determines how a file is read.

        Keys that came later count where they are set: files that landed before are unchanged.
        """
        defaults = {
            each.name: {} if each.default is MISSING else each.default for each in fields(self)
        }
        said = asdict(self) | {"delimiter": self.delimiter or ","}
        reading = {
            name: value
            for name, value in said.items()
            if name in SINCE_0_1 or (name not in NOT_READING and value != defaults[name])
        }
        return hashlib.sha256(json.dumps(reading, sort_keys=True).encode()).hexdigest()

    def apply(self, contract: Contract, reading: Reading) -> Reading:
        """The file with canonical columns; those whose columns it lacks are in ``absent``."""
        columns, absent = {}, {}
        for column in contract.columns:
            theirs = self.columns.get(column.name, ())
            missing = [name for name in theirs if name not in reading.columns]
            if missing:
                key = f"{self.key}.columns.{column.name}"
                found = ", ".join(reading.columns)
                absent[column.name] = (
                    f"no column {', '.join(missing)} (mapped by {key}); the file has {found}"
                )
            elif theirs:
                columns[column.name] = self._given(column, [reading.columns[n] for n in theirs])
            else:
                columns[column.name] = _constant(column, self.constants.get(column.name))
        for column in contract.columns:
            if column.or_from in columns and column.name in columns:
                columns[column.name] = _either(columns[column.name], column, columns)
        if self.last_of_key and not absent:
            reading = replace(reading, relation=_last_of_key(contract, reading, columns))
        return replace(reading, columns=columns, plain_parquet=False, absent=absent)

    def nulled(self, given: Given) -> Given:
        """A column whose null values are null."""
        if not self.null_values or given.type != "VARCHAR":
            return given
        listed = ", ".join(literal(value) for value in self.null_values)
        return replace(given, sql=f"(CASE WHEN {given.sql} NOT IN ({listed}) THEN {given.sql} END)")

    def _given(self, column: Column, theirs: list[Given]) -> Given:
        if len(theirs) > 1:
            joined = " || '-' || ".join(f"CAST({each.sql} AS VARCHAR)" for each in theirs)
            return Given(f"({joined})", "VARCHAR")
        translated = self._translated(column, theirs[0])
        if column.type == "TIMESTAMP":
            parse, local = self._parse(translated)
            return replace(translated, parse=parse, skipped=local and self._skipped(local))
        return translated

    def _translated(self, column: Column, given: Given) -> Given:
        """A column with its values replaced and its numbers written with a point."""
        values = (self.values or {}).get(column.name)
        if values:
            text = f"CAST({given.sql} AS VARCHAR)"
            whens = " ".join(f"WHEN {literal(k)} THEN {literal(v)}" for k, v in values.items())
            return Given(f"(CASE {text} {whens} ELSE {text} END)", "VARCHAR")
        if given.type != "VARCHAR" or column.type not in NUMBERS:
            return given
        sql = given.sql
        if self.thousands:
            sql = f"replace({sql}, {literal(self.thousands)}, '')"
        if self.decimal != ".":
            sql = f"replace({sql}, {literal(self.decimal)}, '.')"
        return replace(given, sql=sql)

    def _parse(self, given: Given) -> tuple[str | None, str | None]:
        """SQL that reads a timestamp as UTC, None for the default way; and the local time that it
        reads, None where the file says an offset or counts from an epoch."""
        zone = literal(self.timezone)
        if given.type in {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "DATE"}:
            local = f"CAST({given.sql} AS TIMESTAMP)"
            return f"timezone({zone}, {local}) AT TIME ZONE 'UTC'", local
        if self.timestamp_format in MICROSECONDS_IN:
            scale = MICROSECONDS_IN[self.timestamp_format]
            number = f"TRY_CAST({given.sql} AS DECIMAL(38, 6))"
            return f"TRY(make_timestamp(CAST({number} * {scale} AS BIGINT)))", None
        if given.type != "VARCHAR":
            return None, None
        if self.timestamp_format:
            local = f"try_strptime({given.sql}, {literal(self.timestamp_format)})"
            zoned = "%z" in self.timestamp_format
            return f"timezone({zone}, {local}) AT TIME ZONE 'UTC'", None if zoned else local
        local = f"TRY_CAST({given.sql} AS TIMESTAMP)"
        zoned_time = f"TRY_CAST({given.sql} AS TIMESTAMPTZ)"
        has_offset = f"regexp_matches({given.sql}, {literal(WITH_OFFSET)})"
        utc = f"(CASE WHEN {has_offset} THEN {zoned_time} ELSE timezone({zone}, {local}) END)"
        return f"{utc} AT TIME ZONE 'UTC'", f"(CASE WHEN NOT {has_offset} THEN {local} END)"

    def _skipped(self, local: str) -> str | None:
        """SQL for whether no clock of the time zone shows a local time; None in UTC."""
        if self.timezone == "UTC":
            return None
        zone = literal(self.timezone)
        return f"(timezone({zone}, timezone({zone}, {local})) <> {local})"


def _last_of_key(contract: Contract, reading: Reading, columns: dict[str, Given]) -> str:
    """The last row of each key, in the order of the file."""
    key = ", ".join(columns[name].sql for name in contract.key)
    last = f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {reading.row} DESC) = 1"
    return f"(SELECT * FROM (SELECT * FROM {reading.relation} {last}) ORDER BY {reading.row})"


def _either(given: Given, column: Column, columns: dict[str, Given]) -> Given:
    """A value, or else that of another column, with its name before it: an id of its own kind."""
    assert column.or_from is not None
    other = f"CAST({columns[column.or_from].sql} AS VARCHAR)"
    name = column.or_from.removesuffix("_id")
    sql = f"coalesce(CAST({given.sql} AS VARCHAR), {literal(f'{name}:')} || {other})"
    return Given(sql, "VARCHAR")


def _constant(column: Column, value: Constant | None) -> Given:
    sql = "NULL" if value is None else literal(str(value))
    return Given(f"CAST({sql} AS {column.type})", column.type)
