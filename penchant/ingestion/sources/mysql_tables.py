"""Tables of a MySQL or MariaDB database as files of a mapping, with the extra ``mysql``.

``path`` is ``mysql://host:3306/database``; user, password and certificates are those of the group
``client`` in ``~/.my.cnf``, or user and password of the address. ``from_table`` and ``watermark``
are as of Postgres. Values are written as MySQL writes them. A ``TIMESTAMP`` has an offset; a
``DATETIME`` has none, and is in the time zone of the mapping.
"""

import csv
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from penchant.errors import PenchantError, UsageError
from penchant.ingestion.sources.watermarks import named

SECONDS = 15  # to connect
CREDENTIALS = "~/.my.cnf"
UNKNOWN_NAMES = (1054, 1146)  # of a column, of a table
NUMBER = re.compile(r"-?\d+(\.\d+)?")
NO_DATE = "0000-00-00"  # MySQL's zero date


def is_mysql(address: str) -> bool:
    """Whether a mapping's path is the address of a MySQL database."""
    return urlsplit(address).scheme == "mysql"


def copy_table(
    address: str, table: str, watermark: str | None, after: str | None, folder: Path, key: str
) -> Path | None:
    """Write the rows as CSV with a header; None where a watermark has not moved.

    ``after``: the mark of the last batch. One transaction reads mark and rows. Raises UsageError
    for an unknown table or column or without the extra, PenchantError where the database doesn't
    answer.
    """
    try:
        import pymysql
    except ImportError as error:
        remedy = "pip install 'penchant[mysql]'"
        raise UsageError(f"{key}: PyMySQL is not installed", remedy) from error
    try:
        with _connect(address) as connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            source = _quoted(*table.split("."))
            rows = f"SELECT * FROM {source}"
            if watermark is None:
                cursor.execute(rows)
                return _written(cursor, folder, table)
            column = _quoted(watermark)
            cursor.execute(f"SELECT max({column}) FROM {source}")
            [(mark,)] = cursor.fetchall()
            if mark is None or mark == after:
                return None
            since = f"{column} > %s AND " if after else ""
            marks = [_argument(each) for each in (after, mark) if each]
            cursor.execute(f"{rows} WHERE {since}{column} <= %s", marks)
            return _written(cursor, folder, named(table, mark))
    except pymysql.err.MySQLError as error:
        number, message = error.args if len(error.args) == 2 else (0, str(error))
        if number in UNKNOWN_NAMES:
            raise UsageError(f"{key}: {message}", "fix from_table or watermark") from error
        where = urlsplit(address)
        raise PenchantError(
            f"{key}: the database at {where.hostname or 'localhost'}{where.path} can't be read: "
            f"{message}",
            f"check the address and the credentials, such as {CREDENTIALS}; then ingest again",
        ) from error


def _connect(address: str) -> Any:
    """A connection that streams rows and decodes nothing but text."""
    import pymysql
    from pymysql.converters import conversions
    from pymysql.cursors import SSCursor

    where = urlsplit(address)
    return pymysql.connect(
        read_default_file=CREDENTIALS,
        host=where.hostname,
        port=where.port or 0,
        user=unquote(where.username) if where.username else None,
        password=unquote(where.password) if where.password else "",
        database=where.path.lstrip("/") or None,
        charset="utf8mb4",
        connect_timeout=SECONDS,
        cursorclass=SSCursor,
        conv={kind: each for kind, each in conversions.items() if isinstance(kind, type)},
    )


def _argument(mark: str) -> Decimal | str:
    """A mark as SQL compares it: MySQL compares numbers in text as doubles, which aren't exact."""
    return Decimal(mark) if NUMBER.fullmatch(mark) else mark


def _quoted(*names: str) -> str:
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def _written(cursor: Any, folder: Path, name: str) -> Path:
    from pymysql.constants.FIELD_TYPE import TIMESTAMP

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.csv"
    names = [column[0] for column in cursor.description]
    zoned = [column[1] == TIMESTAMP for column in cursor.description]
    with file.open("w", encoding="utf-8", newline="") as written:
        rows = csv.writer(written, lineterminator="\n")
        rows.writerow(names)
        rows.writerows(_texts(cursor, zoned))
    return file


def _texts(rows: Any, zoned: list[bool]) -> Iterator[list[str | None]]:
    """Rows as text: bytes in hex, times of a zone with their offset, no zero dates."""
    for row in rows:
        texts = [value.hex() if isinstance(value, bytes) else value for value in row]
        yield [
            None if text is None or text.startswith(NO_DATE) else f"{text}+00:00" if at else text
            for text, at in zip(texts, zoned, strict=True)
        ]
