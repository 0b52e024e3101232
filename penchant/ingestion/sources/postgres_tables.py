"""Tables of a Postgres database as files of a mapping.

``path`` is a libpq address, ``postgresql://host/database``; user, password and certificates are
libpq's usual ones (``PGUSER``, ``~/.pgpass``, services). ``from_table`` names a table or view. Each
ingest copies it whole, a snapshot; with ``watermark``, a column that grows with every change, only
the rows since the last batch. That batch's name has the mark, so it counts once it has landed.
"""

from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from penchant.errors import PenchantError, UsageError
from penchant.ingestion.sources.watermarks import named

SECONDS = 15  # to connect


def copy_table(
    address: str, table: str, watermark: str | None, after: str | None, folder: Path, key: str
) -> Path | None:
    """Write the rows as CSV with a header; None where a watermark has not moved.

    ``after``: the mark of the last batch. Times are ISO 8601 in UTC. One transaction reads mark and
    rows. Raises UsageError for an unknown table or column, PenchantError where the database doesn't
    answer.
    """
    name = sql.Identifier(*table.split("."))
    try:
        with psycopg.connect(address, connect_timeout=SECONDS) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            connection.execute("SET LOCAL TimeZone = 'UTC'")
            connection.execute("SET LOCAL DateStyle = 'ISO'")
            if watermark is None:
                return _written(connection, sql.SQL("SELECT * FROM {}").format(name), folder, table)
            column = sql.Identifier(watermark)
            query = sql.SQL("SELECT max({})::text FROM {}").format(column, name)
            (mark,) = connection.execute(query).fetchone() or (None,)
            if mark is None or mark == after:
                return None
            since = sql.SQL("{} > {} AND ").format(column, after) if after else sql.SQL("")
            rows = sql.SQL("SELECT * FROM {} WHERE {}{} <= {}").format(name, since, column, mark)
            return _written(connection, rows, folder, named(table, mark))
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        first = str(error).splitlines()[0]
        raise UsageError(f"{key}: {first}", "fix from_table or watermark") from error
    except psycopg.Error as error:
        where = urlsplit(address)
        raise PenchantError(
            f"{key}: the database at {where.hostname or 'the local socket'}{where.path} can't be "
            f"read: {str(error).splitlines()[0]}",
            "check the address and libpq's credentials, such as ~/.pgpass; then ingest again",
        ) from error


def _written(connection: psycopg.Connection, rows: sql.Composable, folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.csv"
    copy = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(rows)
    with connection.cursor().copy(copy) as blocks, file.open("wb") as written:
        for block in blocks:
            written.write(block)
    return file
