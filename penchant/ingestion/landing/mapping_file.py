"""The YAML file that maps the columns of a shop's files to the canonical tables.

    timezone: Europe/Paris            # of timestamps without an offset; UTC if left out
    source: pos                       # whose ids they are: 17 lands as pos:17; left out as 17
    kind: competitor                  # items and reviews of the competitor `source`; left out: ours
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
        values:                       # what lands in place of the file's values
          event_type: {pv: view, buy: purchase}
        timestamp_format: "%d/%m/%Y %H:%M"   # strptime's, or epoch_seconds, epoch_milliseconds,
                                             # epoch_microseconds; ISO 8601 if left out
        timezone: UTC                 # of this table
        delimiter: ";"                # of CSV; a comma if left out, in .tsv a tab
        quote: ""                     # around texts of CSV; a double quote if left out
        header: [order, line, …]      # names of the columns, where files have no header
        encoding: latin-1             # UTF-8 if left out
        decimal: ","                  # of numbers in text; a point if left out
        thousands: "."                # between thousands; nothing if left out
        null_values: ["NULL", "-"]    # texts that are null, beside the empty one
        derived: {total: "CAST(qty AS INT) * CAST(price AS DOUBLE)"}   # SQL: a further column
        filter: status <> 'cancelled' AND sku NOT IN ('POST', 'M')   # SQL; other rows don't land
        last_of_key: true           # of rows with the same key the last lands: items in orders
        reject_rows: 0.01             # share of rows that may break a rule and are left out
        whole_table: true             # a file is the whole table: rows that it lacks are deleted
      items:                          # a list where files of a table differ in form
        - {path: books.csv, columns: {item_id: isbn, title: name}}
        - {path: toys.jsonl, columns: {item_id: sku, title: title}}
      reviews:
        path: postgresql://host/shop   # or mysql://…, kafka://…, https://…, s3://…, gs://…
        from_table: public.reviews     # of a database
        watermark: updated_at          # only rows since the last batch; the whole table if left out

Where an event has no user, or the mapping names none, its session is the user: ``session:ID``.
Folders such as ``dt=2024-01-31`` are columns of their files. In JSON, ``/product/sku`` is a value
inside another. ``{day}`` is the requested day as YYYY-MM-DD, or any day. Nullable columns need no
mapping. Parquet timestamps need no format. Every mistake is a UsageError that names the file and
the key.
"""

import re
from codecs import lookup
from collections.abc import Hashable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import duckdb
import yaml

from penchant.errors import UsageError
from penchant.ingestion.landing.contract import Column, Contract
from penchant.ingestion.landing.filters import Disallowed, check_filter
from penchant.ingestion.landing.mapping import MICROSECONDS_IN, TableMapping
from penchant.ingestion.landing.reading import first_line, literal

TABLE_KEYS = (
    *("path", "columns", "constants", "values", "timestamp_format", "timezone", "delimiter"),
    *("header", "null_values", "decimal", "thousands", "encoding", "filter"),
    *("quote", "derived", "last_of_key", "whole_table", "reject_rows"),
    *("from_table", "watermark"),
)

DATABASES = ("postgresql", "postgres", "mysql")
TOPIC = "kafka"
COMPETITOR = "competitor"  # the kind of a mapping, and a column of its tables
COMPETITOR_TABLE = f"{COMPETITOR}_"
SOURCE_NAME = re.compile(r"[a-z][a-z0-9_-]*")  # before the colon of an id


def load(path: Path, contracts: tuple[Contract, ...]) -> tuple[TableMapping, ...]:
    """Read and validate a mapping file. Raises UsageError that names the invalid key."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except FileNotFoundError as error:
        raise UsageError(f"mapping file {path} does not exist", "pass --mapping") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        remedy = "write several files of a table as a list" if "duplicate" in str(error) else ""
        raise UsageError(f"{path} is not YAML: {error}", remedy or "fix the file") from error
    top = _dict(path, "the file", document)
    _known(path, "", top, ("timezone", "source", "kind", "tables"))
    tables = _dict(path, "tables", top.get("tables"))
    zone, source = top.get("timezone", "UTC"), _source(path, "source", top.get("source"))
    by_table = _offered(path, top.get("kind"), source, contracts)
    _known(path, "tables.", tables, tuple(by_table))
    if not tables:
        raise _wrong(path, "tables", "is empty", f"map at least one of {', '.join(by_table)}")
    return tuple(
        replace(_table(path, key, by_table[name], _body(path, key, body, top), zone), source=source)
        for name, bodies in tables.items()
        for key, body in _each(f"tables.{name}", bodies)
    )


def _offered(
    path: Path, kind: object, source: str | None, contracts: tuple[Contract, ...]
) -> dict[str, Contract]:
    """The contracts by the names that tables have in a mapping of this kind."""
    if kind is None:
        return {c.table: c for c in contracts if not c.table.startswith(COMPETITOR_TABLE)}
    if kind != COMPETITOR:
        raise _wrong(path, "kind", f"is {kind!r}", f"give {COMPETITOR}, or leave it out")
    if source is None:
        raise _wrong(path, "source", "is missing", "give the competitor's name, such as rival")
    return {
        c.table.removeprefix(COMPETITOR_TABLE): c
        for c in contracts
        if c.table.startswith(COMPETITOR_TABLE)
    }


def _body(path: Path, key: str, body: object, top: dict[str, Any]) -> dict[str, Any]:
    """A table's mapping; of a competitor, with its name as a constant."""
    found = _dict(path, key, body)
    if top.get("kind") != COMPETITOR:
        return found
    constants = _dict(path, f"{key}.constants", found.get("constants", {}))
    return {**found, "constants": {**constants, COMPETITOR: top["source"]}}


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key may be there once: PyYAML keeps the last and drops the others."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"duplicate key {key!r}", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _each(key: str, bodies: object) -> list[tuple[str, object]]:
    """A table's mappings with their keys: one, or a list where files differ in form."""
    if not isinstance(bodies, list):
        return [(key, bodies)]
    return [(f"{key}[{place}]", body) for place, body in enumerate(bodies)]


def _table(
    path: Path, key: str, contract: Contract, body: dict[str, Any], zone: object
) -> TableMapping:
    _known(path, f"{key}.", body, TABLE_KEYS)
    names = tuple(column.name for column in contract.columns)
    columns = _dict(path, f"{key}.columns", body.get("columns"))
    constants = _dict(path, f"{key}.constants", body.get("constants", {}))
    _known(path, f"{key}.columns.", columns, names)
    _known(path, f"{key}.constants.", constants, names)
    for column in contract.columns:
        _check_mapped_once(path, key, column, columns, constants)
    return TableMapping(
        key=key,
        table=contract.table,
        path=_text(path, f"{key}.path", body.get("path")),
        columns={
            name: _file_columns(path, f"{key}.columns.{name}", contract, name, theirs)
            for name, theirs in columns.items()
        },
        constants=constants,
        timestamp_format=_format(path, f"{key}.timestamp_format", body.get("timestamp_format")),
        timezone=_zone(path, key, body, zone),
        delimiter=_delimiter(path, f"{key}.delimiter", body.get("delimiter")),
        values=_values(path, f"{key}.values", contract, body.get("values")),
        header=_texts(path, f"{key}.header", body.get("header")),
        null_values=_texts(path, f"{key}.null_values", body.get("null_values")),
        decimal=_character(path, f"{key}.decimal", body.get("decimal", ".")),
        thousands=_thousands(path, f"{key}.thousands", body),
        encoding=_encoding(path, f"{key}.encoding", body.get("encoding", "utf-8")),
        filter=_filter(path, f"{key}.filter", body.get("filter")),
        quote=_quote(path, f"{key}.quote", body.get("quote", '"')),
        derived=_derived(path, f"{key}.derived", body.get("derived", {})),
        last_of_key=_flag(path, f"{key}.last_of_key", body.get("last_of_key", False)),
        reject_rows=_share(path, f"{key}.reject_rows", body.get("reject_rows", 0)),
        whole_table=_flag(path, f"{key}.whole_table", body.get("whole_table", False)),
        **_database(path, key, body),
    )


def _check_mapped_once(
    path: Path, key: str, column: Column, columns: dict[str, Any], constants: dict[str, Any]
) -> None:
    """Check that a column is mapped at most once, and a required one exactly once."""
    if column.name in columns and column.name in constants:
        raise _wrong(
            path, f"{key}.constants.{column.name}", "is also under columns", "remove one of them"
        )
    required = not column.nullable and column.or_from is None
    if required and column.name not in columns and column.name not in constants:
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
        "FLOAT[]": (),
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


def _database(path: Path, key: str, body: dict[str, Any]) -> dict[str, str | None]:
    """The table of a database, and its watermark."""
    protocol = str(body.get("path")).partition("://")[0]
    if protocol == TOPIC and body.get("whole_table"):
        remedy = "remove it: an ingest reads the new messages, not the whole topic"
        raise _wrong(path, f"{key}.whole_table", "is of files and tables", remedy)
    if protocol in DATABASES and body.get("watermark") and body.get("whole_table"):
        remedy = "remove one: a watermark copies changed rows, not the whole table"
        raise _wrong(path, f"{key}.watermark", "is beside whole_table", remedy)
    for name in ("from_table", "watermark"):
        if name in body and protocol not in DATABASES:
            at, remedy = f"{key}.{name}", "give a path such as postgresql://host/database"
            raise _wrong(path, at, "is of databases alone", remedy)
    if protocol not in DATABASES:
        return {}
    table = _text(path, f"{key}.from_table", body.get("from_table"))
    mark = body.get("watermark")
    return {
        "from_table": table,
        "watermark": None if mark is None else _text(path, f"{key}.watermark", mark),
    }


def _source(path: Path, key: str, value: object) -> str | None:
    if value is None:
        return None
    text = _text(path, key, value)
    if not SOURCE_NAME.fullmatch(text) or text == "session":
        raise _wrong(path, key, f"is {text!r}", "give a name of lower-case letters, such as web")
    return text


def _character(path: Path, key: str, value: object) -> str:
    text = _text(path, key, value)
    if len(text) != 1 or text in '"\r\n':
        raise _wrong(path, key, f"is {text!r}", "give one character")
    return text


def _delimiter(path: Path, key: str, value: object) -> str | None:
    return None if value is None else _character(path, key, value)


def _quote(path: Path, key: str, value: object) -> str:
    if value not in ("", '"', "'"):
        raise _wrong(path, key, f"is {value!r}", """give '"', "'" or "" for none""")
    return str(value)


def _derived(path: Path, key: str, value: object) -> dict[str, str]:
    """Columns in SQL, each an expression that depends on its row alone."""
    found = {}
    for name, sql in _dict(path, key, value).items():
        text = _text(path, f"{key}.{name}", sql)
        try:
            check_filter(text)
        except Disallowed as error:
            at, remedy = f"{key}.{name}", "give one expression over columns"
            raise _wrong(path, at, f"is {text!r}: {error}", remedy) from error
        found[name] = text
    return found


def _flag(path: Path, key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(path, key, f"is {value!r}", "give true or false")
    return value


def _share(path: Path, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise _wrong(path, key, f"is {value!r}", "give a share such as 0.01")
    return float(value)


def _thousands(path: Path, key: str, body: dict[str, Any]) -> str:
    """The character between thousands; none if left out."""
    if "thousands" not in body:
        return ""
    text = _character(path, key, body["thousands"])
    if text == body.get("decimal", "."):
        raise _wrong(path, key, f"is {text!r}, as decimal is", "give decimal another character")
    return text


def _values(
    path: Path, key: str, contract: Contract, value: object
) -> dict[str, dict[str, str]] | None:
    if value is None:
        return None
    columns = {column.name: column for column in contract.columns}
    by_column = _dict(path, key, value)
    _known(path, f"{key}.", by_column, tuple(columns))
    found = {}
    for name, body in by_column.items():
        if not isinstance(body, dict) or not body:
            raise _wrong(path, f"{key}.{name}", "is not a mapping", "write `theirs: ours` lines")
        found[name] = {_scalar(theirs): _scalar(ours) for theirs, ours in body.items()}
        accepted = columns[name].accepted
        wrong = [ours for ours in found[name].values() if accepted and ours not in accepted]
        if wrong:
            listed = ", ".join(accepted)
            raise _wrong(path, f"{key}.{name}", f"has {wrong[0]!r}", f"use one of {listed}")
    return found


def _scalar(value: object) -> str:
    """A YAML scalar as a file has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _texts(path: Path, key: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise _wrong(path, key, f"is {value!r}", "give a list of quoted texts")
    repeated = next((one for one in value if value.count(one) > 1), None)
    if repeated is not None:
        raise _wrong(path, key, f"has {repeated!r} twice", "remove one of them")
    return tuple(value)


def _encoding(path: Path, key: str, value: object) -> str:
    text = _text(path, key, value)
    try:
        return lookup(text).name
    except LookupError as error:
        raise _wrong(path, key, f"is {text!r}", "give a name such as latin-1 or gb18030") from error


def _filter(path: Path, key: str, value: object) -> str | None:
    if value is None:
        return None
    text = _text(path, key, value)
    try:
        check_filter(text)
    except Disallowed as error:
        raise _wrong(path, key, f"is {text!r}: {error}", "give one condition on columns") from error
    return text


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
