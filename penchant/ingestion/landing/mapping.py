"""The YAML file that maps the columns of a shop's files to the canonical tables.

    timezone: Europe/Paris            # of timestamps without an offset; UTC if left out
    tables:
      events:
        path: orders-{day}.csv        # beside this file, or in --path; may be a glob
        columns:
          event_id: [order, line]     # several columns are joined with "-"
          user_id: customer
          session_id: order
          item_id: sku
          quantity: qty
          event_at: bought
        constants: {event_type: purchase}
        timestamp_format: "%d/%m/%Y %H:%M"   # strptime's, or epoch_seconds, epoch_milliseconds,
                                             # epoch_microseconds; ISO 8601 if left out
        timezone: UTC                 # of this table
        delimiter: ";"                # of CSV; a comma if left out

``{day}`` is the requested day as YYYY-MM-DD, or any day. Nullable columns need no mapping. Parquet
timestamps need no format. Every mistake is a UsageError that names the file and the key.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import duckdb
import yaml

from penchant.errors import UsageError
from penchant.ingestion.landing.contract import Column, Contract
from penchant.ingestion.landing.reading import Given, Reading, first_line, literal

TABLE_KEYS = ("path", "columns", "constants", "timestamp_format", "timezone", "delimiter")
MICROSECONDS_IN = {
    "epoch_seconds": 1_000_000,
    "epoch_milliseconds": 1_000,
    "epoch_microseconds": 1,
}
WITH_OFFSET = r"[0-9]:[0-9]{2}.*([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)\s*$"
Constant = str | int | float | bool


@dataclass(frozen=True)
class TableMapping:
    """How files of a canonical table are read. ``columns``: canonical name → names in the file."""

    table: str
    path: str
    columns: dict[str, tuple[str, ...]]
    constants: dict[str, Constant]
    timestamp_format: str | None
    timezone: str
    delimiter: str

    def fingerprint(self) -> str:
        """SHA-256 of all keys except ``path``: of what determines how a file is read."""
        reading = {key: value for key, value in asdict(self).items() if key != "path"}
        return hashlib.sha256(json.dumps(reading, sort_keys=True).encode()).hexdigest()

    def apply(self, contract: Contract, reading: Reading) -> Reading:
        """The file with canonical columns; those whose columns it lacks are in ``absent``."""
        columns, absent = {}, {}
        for column in contract.columns:
            theirs = self.columns.get(column.name, ())
            missing = [name for name in theirs if name not in reading.columns]
            if missing:
                key = f"tables.{self.table}.columns.{column.name}"
                found = ", ".join(reading.columns)
                absent[column.name] = (
                    f"no column {', '.join(missing)} (mapped by {key}); the file has {found}"
                )
            elif theirs:
                columns[column.name] = self._given(column, [reading.columns[n] for n in theirs])
            else:
                columns[column.name] = _constant(column, self.constants.get(column.name))
        return Reading(reading.relation, columns, reading.text, absent=absent)

    def _given(self, column: Column, theirs: list[Given]) -> Given:
        if len(theirs) > 1:
            joined = " || '-' || ".join(f"CAST({each.sql} AS VARCHAR)" for each in theirs)
            return Given(f"({joined})", "VARCHAR")
        if column.type == "TIMESTAMP":
            return Given(theirs[0].sql, theirs[0].type, self._parse(theirs[0]))
        return theirs[0]

    def _parse(self, given: Given) -> str | None:
        """SQL that reads a timestamp as UTC; None for the default way."""
        zone = literal(self.timezone)
        if given.type in {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "DATE"}:
            return f"timezone({zone}, CAST({given.sql} AS TIMESTAMP)) AT TIME ZONE 'UTC'"
        if self.timestamp_format in MICROSECONDS_IN:
            scale = MICROSECONDS_IN[self.timestamp_format]
            number = f"TRY_CAST({given.sql} AS DECIMAL(38, 6))"
            return f"TRY(make_timestamp(CAST({number} * {scale} AS BIGINT)))"
        if given.type != "VARCHAR":
            return None
        if self.timestamp_format:
            local = f"try_strptime({given.sql}, {literal(self.timestamp_format)})"
            return f"timezone({zone}, {local}) AT TIME ZONE 'UTC'"
        local = f"timezone({zone}, TRY_CAST({given.sql} AS TIMESTAMP))"
        zoned = f"TRY_CAST({given.sql} AS TIMESTAMPTZ)"
        has_offset = f"regexp_matches({given.sql}, {literal(WITH_OFFSET)})"
        return f"(CASE WHEN {has_offset} THEN {zoned} ELSE {local} END) AT TIME ZONE 'UTC'"


def load(path: Path, contracts: tuple[Contract, ...]) -> tuple[TableMapping, ...]:
    """Read and validate a mapping file. Raises UsageError that names the invalid key."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"mapping file {path} does not exist", "pass --mapping") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not YAML: {error}", "fix the file") from error
    top = _dict(path, "the file", document)
    _known(path, "", top, ("timezone", "tables"))
    tables = _dict(path, "tables", top.get("tables"))
    by_table = {contract.table: contract for contract in contracts}
    _known(path, "tables.", tables, tuple(by_table))
    if not tables:
        raise _wrong(path, "tables", "is empty", f"map at least one of {', '.join(by_table)}")
    zone = top.get("timezone", "UTC")
    return tuple(
        _table(path, by_table[name], _dict(path, f"tables.{name}", body), zone)
        for name, body in tables.items()
    )


def _table(path: Path, contract: Contract, body: dict[str, Any], zone: object) -> TableMapping:
    key = f"tables.{contract.table}"
    _known(path, f"{key}.", body, TABLE_KEYS)
    names = tuple(column.name for column in contract.columns)
    columns = _dict(path, f"{key}.columns", body.get("columns"))
    constants = _dict(path, f"{key}.constants", body.get("constants", {}))
    _known(path, f"{key}.columns.", columns, names)
    _known(path, f"{key}.constants.", constants, names)
    for column in contract.columns:
        _check_mapped_once(path, key, column, columns, constants)
    return TableMapping(
        table=contract.table,
        path=_text(path, f"{key}.path", body.get("path")),
        columns={
            name: _file_columns(path, f"{key}.columns.{name}", contract, name, theirs)
            for name, theirs in columns.items()
        },
        constants=constants,
        timestamp_format=_format(path, f"{key}.timestamp_format", body.get("timestamp_format")),
        timezone=_zone(path, key, body, zone),
        delimiter=_delimiter(path, f"{key}.delimiter", body.get("delimiter", ",")),
    )


def _check_mapped_once(
    path: Path, key: str, column: Column, columns: dict[str, Any], constants: dict[str, Any]
) -> None:
    """Check that a column is mapped at most once, and a required one exactly once."""
    if column.name in columns and column.name in constants:
        raise _wrong(
            path, f"{key}.constants.{column.name}", "is also under columns", "remove one of them"
        )
    if not column.nullable and column.name not in columns and column.name not in constants:
        raise _wrong(path, f"{key}.columns.{column.name}", "is required", "name the file's column")
    if column.name in constants:
        _check_constant(path, f"{key}.constants.{column.name}", column, constants[column.name])


def _file_columns(
    path: Path, key: str, contract: Contract, name: str, theirs: object
) -> tuple[str, ...]:
    if isinstance(theirs, str) and theirs:
        return (theirs,)
    if not isinstance(theirs, list) or not theirs or not all(isinstance(n, str) for n in theirs):
        raise _wrong(path, key, f"is {theirs!r}", "give a column name or a list of column names")
    of_type = next(column.type for column in contract.columns if column.name == name)
    if len(theirs) > 1 and of_type != "VARCHAR":
        raise _wrong(path, key, f"joins columns, but its type is {of_type}", "give one column name")
    return tuple(theirs)


def _check_constant(path: Path, key: str, column: Column, value: object) -> None:
    fits: dict[str, tuple[type, ...]] = {
        "VARCHAR": (str, int),
        "BIGINT": (int,),
        "DOUBLE": (int, float),
        "BOOLEAN": (bool,),
        "TIMESTAMP": (str,),
    }
    if not isinstance(value, fits[column.type]) or (
        isinstance(value, bool) and column.type != "BOOLEAN"
    ):
        raise _wrong(path, key, f"is {value!r}", f"give a {column.type}")
    if column.accepted and value not in column.accepted:
        raise _wrong(path, key, f"is {value!r}", f"give one of {', '.join(column.accepted)}")
    if column.type == "TIMESTAMP":
        try:
            datetime.fromisoformat(str(value))
        except ValueError as error:
            raise _wrong(path, key, f"is {value!r}", "give a quoted ISO 8601 time") from error


def _format(path: Path, key: str, value: object) -> str | None:
    if value is None or value in MICROSECONDS_IN:
        return None if value is None else str(value)
    text = _text(path, key, value)
    if "%Y" not in text and "%y" not in text:
        raise _wrong(
            path, key, f"is {text!r}, which has no year", "use files with a year, and %Y here"
        )
    try:
        with duckdb.connect() as connection:
            connection.execute(f"SELECT try_strptime('', {literal(text)})")
    except duckdb.Error as error:
        raise _wrong(
            path, key, f"is {text!r}: {first_line(error)}", "use a strptime format"
        ) from error
    return text


def _zone(path: Path, key: str, body: dict[str, Any], default: object) -> str:
    at, zone = (
        (f"{key}.timezone", body["timezone"]) if "timezone" in body else ("timezone", default)
    )
    if not isinstance(zone, str) or zone not in available_timezones():
        raise _wrong(path, at, f"is {zone!r}", "give an IANA time zone such as Europe/Paris")
    return ZoneInfo(zone).key


def _delimiter(path: Path, key: str, value: object) -> str:
    text = _text(path, key, value)
    if len(text) != 1 or text in '"\r\n':
        raise _wrong(path, key, f"is {text!r}", "give one character")
    return text


def _constant(column: Column, value: Constant | None) -> Given:
    sql = "NULL" if value is None else literal(str(value))
    return Given(f"CAST({sql} AS {column.type})", column.type)


def _text(path: Path, key: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _wrong(path, key, "is missing" if value is None else f"is {value!r}", "give a string")
    return value


def _dict(path: Path, key: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise _wrong(path, key, "is not a mapping", "write `name: value` lines under it")
    return value


def _known(path: Path, prefix: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise _wrong(path, f"{prefix}{name}", "is unknown", f"use {', '.join(known)}")


def _wrong(path: Path, key: str, what: str, remedy: str) -> UsageError:
    return UsageError(f"{path}: {key} {what}", remedy)
