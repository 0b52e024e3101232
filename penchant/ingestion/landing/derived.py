"""Columns that a mapping adds to a file's own: from its folders, and from SQL."""

import re
from dataclasses import replace
from pathlib import PurePath
from urllib.parse import unquote

import duckdb

from penchant.ingestion.landing.filters import bounded
from penchant.ingestion.landing.mapping import ROW_IN_FILE, TableMapping
from penchant.ingestion.landing.reading import (
    Given,
    Reading,
    Unreadable,
    first_line,
    identifier,
    literal,
)

PARTITION = re.compile(r"([^=/]+)=([^/]*)")
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def partitions(name: str) -> dict[str, str | None]:
    """The columns in a path's folders, as Hive and Spark write them: ``dt=2024-01-31/part-0``."""
    matches = [PARTITION.fullmatch(part) for part in PurePath(name).parts[:-1]]
    found = {match[1]: unquote(match[2]) for match in matches if match}
    return {column: None if value == NO_VALUE else value for column, value in found.items()}


def derive(
    connection: duckdb.DuckDBPyConnection, reading: Reading, mapping: TableMapping, name: str
) -> Reading:
    """The file with the columns of its folders and of ``derived``, without the rows that ``filter``
    leaves out. Rows keep their place in the file, which reasons of quarantine name.

    Raises Unreadable when the SQL doesn't fit the file.
    """
    folders = {
        column: Given("NULL" if value is None else literal(value), "VARCHAR")
        for column, value in partitions(name).items()
    }
    nested = {name: reading.find(name) for name in mapping.file_columns if name.startswith("/")}
    found = {name: given for name, given in nested.items() if given is not None}
    columns = {
        name: mapping.nulled(given)
        for name, given in {**folders, **reading.columns, **found}.items()
    }
    reading = replace(reading, columns=columns)
    if not mapping.derived and mapping.filter is None and not mapping.last_of_key:
        return reading
    named = [f"{given.sql} AS {identifier(name)}" for name, given in columns.items()]
    rows = ", ".join([*named, f"row_number() OVER () AS {identifier(ROW_IN_FILE)}"])
    relation = f"SELECT {rows} FROM {reading.relation}"
    types = {name: given.type for name, given in columns.items()}
    for column, sql in mapping.derived.items():
        key = f"{mapping.key}.derived.{column}"
        if column in types:
            raise Unreadable(f"{key} has the name of a column of the file: choose another")
        types[column] = _type_of(connection, relation, sql, key)
        value = bounded(f"({sql})", key) if types[column] == "VARCHAR" else f"({sql})"
        relation = f"SELECT *, {value} AS {identifier(column)} FROM ({relation})"
    if mapping.filter is not None:
        _type_of(connection, relation, mapping.filter, f"{mapping.key}.filter")
        relation = f"SELECT * FROM ({relation}) WHERE {mapping.filter}"
    return replace(
        reading,
        relation=f"({relation})",
        columns={name: _column(name, type_, reading.text) for name, type_ in types.items()},
        row=identifier(ROW_IN_FILE),
        json=False,
    )


def _column(name: str, type_: str, text: bool) -> Given:
    """A column; all those of a text file are text."""
    if text and type_ != "VARCHAR":
        return Given(f"CAST({identifier(name)} AS VARCHAR)", "VARCHAR")
    return Given(identifier(name), type_)


def _type_of(connection: duckdb.DuckDBPyConnection, relation: str, sql: str, key: str) -> str:
    """The type of an expression over the file's columns."""
    try:
        described = connection.execute(f"DESCRIBE SELECT *, ({sql}) FROM ({relation})").fetchall()
    except duckdb.BinderException as error:
        raise Unreadable(f"{key} does not fit the file: {first_line(error)}") from error
    return str(described[-1][1])
