"""Which files mention a person: the verification of an erasure.

How a file is searched depends on what it is:

- Parquet and Arrow: the values of columns that name users;
- SQLite, encrypted or not: the values of such columns, and Feast's serialized entity keys;
- other files, compressed ones too: ``"user_id": "<id>"`` and such as text. An id of at least
  ``DISTINCTIVE`` characters is searched for as bytes in every file, wherever it stands.

A short id, such as ``1104``, is too common a byte string for the last search to mean anything.
"""

import gzip
import io
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from penchant.encryption.duckdb_connection import connect
from penchant.encryption.encrypted_file import open_for_reading
from penchant.encryption.log_lines import read_log
from penchant.encryption.store import is_encrypted_store, is_store, open_store, rows_of_store
from penchant.ingestion.ingest import SOURCES
from penchant.ingestion.landing.reading import identifier, literal
from penchant.ingestion.landing.user_rows import is_one_of

DISTINCTIVE = 8
USER_COLUMNS = {"user_id"} | {
    column
    for source in SOURCES.values()
    for contract in source.CONTRACTS
    for column in contract.user_columns
}
CHUNK = 1 << 22  # bytes


def mentions(file: Path, user_ids: Sequence[str]) -> bool:
    """Whether a file has one of the ids."""
    head = _head(file)  # of the plain bytes
    if head.startswith(b"PAR1") and _in_parquet(file, user_ids):
        return True
    if head.startswith(b"ARROW1") and _in_arrow(file, user_ids):
        return True
    if is_store(file) and _in_sqlite(file, user_ids):
        return True
    return (_in_rows if is_encrypted_store(file) else _in_bytes)(file, user_ids)


def files_that_mention(
    folder: Path, user_ids: Sequence[str], skip: Sequence[Path]
) -> Iterator[Path]:
    """The files below ``folder`` that have one of the ids, without those below ``skip``."""
    for file in sorted(folder.rglob("*")):
        if file.is_symlink() or not file.is_file():
            continue
        if any(file.is_relative_to(each) for each in skip):
            continue
        if mentions(file, user_ids):
            yield file


def _head(file: Path) -> bytes:
    with open_for_reading(file) as opened:
        return opened.read(len(b"ARROW1"))


def _in_parquet(file: Path, user_ids: Sequence[str]) -> bool:
    relation = f"read_parquet({literal(str(file))}, hive_partitioning := false)"
    with connect(file) as connection:
        try:
            described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
            columns = [name for name, *_ in described if name in USER_COLUMNS]
            return any(
                connection.execute(
                    f"SELECT 1 FROM {relation} WHERE {is_one_of(column, user_ids)} LIMIT 1"
                ).fetchall()
                for column in columns
            )
        except duckdb.Error:
            return False  # damaged: searched as bytes


def _in_arrow(file: Path, user_ids: Sequence[str]) -> bool:
    with open_for_reading(file) as opened:
        reader = pa.ipc.open_file(opened)
        columns = USER_COLUMNS & set(reader.schema.names)
        return any(
            pc.any(pc.is_in(batch[column].cast(pa.string()), pa.array(user_ids))).as_py()
            for batch in map(reader.get_batch, range(reader.num_record_batches if columns else 0))
            for column in columns
        )


def _in_sqlite(file: Path, user_ids: Sequence[str]) -> bool:
    with closing(open_store(file)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            columns = connection.execute(f"SELECT name FROM pragma_table_info({literal(table)})")
            for (column,) in columns.fetchall():
                if _in_column(connection, table, column, user_ids):
                    return True
    return False


def _in_column(
    connection: sqlite3.Connection, table: str, column: str, user_ids: Sequence[str]
) -> bool:
    name, source = identifier(column), identifier(table)
    if column in USER_COLUMNS:
        marks = ", ".join("?" * len(user_ids))
        query = f"SELECT 1 FROM {source} WHERE CAST({name} AS TEXT) IN ({marks}) LIMIT 1"
        return bool(connection.execute(query, tuple(user_ids)).fetchall())
    if column == "entity_key":
        query = f"SELECT 1 FROM {source} WHERE instr({name}, ?) AND instr({name}, ?) LIMIT 1"
        return any(
            connection.execute(query, (b"user_id", _feast_value(user_id))).fetchall()
            for user_id in user_ids
        )
    return False


def _feast_value(user_id: str) -> bytes:
    """A text value in Feast's entity keys, version 3: its length in four bytes, then the value."""
    value = user_id.encode()
    return len(value).to_bytes(4, "little") + value


def _in_rows(file: Path, user_ids: Sequence[str]) -> bool:
    """``_in_bytes`` of the values of a store whose bytes are encrypted."""
    found = re.compile(b"|".join(_patterns(user_ids)))
    return any(
        found.search(value if isinstance(value, bytes) else str(value).encode())
        for row in rows_of_store(file)
        for value in row
    )


def _in_bytes(file: Path, user_ids: Sequence[str]) -> bool:
    ids = [user_id.encode() for user_id in user_ids]
    found = re.compile(b"|".join(_patterns(user_ids)))
    longest = 64 + 4 * max(len(user_id.encode()) for user_id in user_ids)
    before = b""
    with _plain(file) as raw:
        opened = gzip.GzipFile(fileobj=raw) if file.name.endswith(".gz") else raw
        try:
            while chunk := opened.read(CHUNK):
                text = before + chunk
                # every pattern has an id, which is found a hundred times faster
                if any(each in text for each in ids) and found.search(text):
                    return True
                before = chunk[-longest:]
        except (OSError, EOFError):
            return False  # damaged gzip
    return False


def _plain(file: Path) -> BinaryIO:
    return io.BytesIO(read_log(file)) if file.suffix == ".jsonl" else open_for_reading(file)


def _patterns(user_ids: Sequence[str]) -> Iterator[bytes]:
    names = b"|".join(re.escape(name.encode()) for name in sorted(USER_COLUMNS))
    for user_id in user_ids:
        value = re.escape(user_id.encode())
        yield b"(?:%s)[\"']?\\s*[:=]\\s*[\"']?%s(?![\\w-])" % (names, value)
        if len(user_id) >= DISTINCTIVE:
            yield value
