"""DuckDB connections that read and write a home's Parquet files, encrypted or not.

DuckDB 2.0 can't write encrypted Parquet without an OpenSSL that has to be downloaded, and it can't
read what PyArrow encrypts (ADR 35). So files are decrypted below both, by ``EncryptedFileSystem``.
"""

from pathlib import Path
from typing import Any

import duckdb

from penchant.encryption.keyring import home_of, keyring

SCHEME = "encrypted"
PREFIX = f"{SCHEME}://"

# It has the name of DuckDB's function, so that the same SQL reads both kinds of home. A macro's
# arguments are named by := alone.
READ_PARQUET = f"""
CREATE OR REPLACE MACRO read_parquet(
    files, union_by_name := false, filename := false, hive_partitioning := false
) AS TABLE FROM parquet_scan(
    '{PREFIX}' || files, union_by_name := union_by_name, filename := filename,
    hive_partitioning := hive_partitioning
)
"""


def connect(of: Path, database: str = ":memory:", **options: Any) -> duckdb.DuckDBPyConnection:
    """A connection for the files of a home. ``of``: the home, or any path in it.

    Raises DataError where the home is encrypted with another key.
    """
    connection = duckdb.connect(database, **options)
    try:
        prepare(connection, of)
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: duckdb.DuckDBPyConnection, of: Path) -> None:
    """Have a connection read encrypted files, if the path ``of`` is in an encrypted home."""
    home = home_of(of)
    if home is not None:
        keyring(home)  # the error of a wrong key is clearer than DuckDB's
        register(connection)
        if not _is_read_only(connection):  # else the macro was stored in the file
            connection.execute(READ_PARQUET)


def hash_right_sides(connection: duckdb.DuckDBPyConnection) -> None:
    """Have each join hash its right side, which should be the small one.

    DuckDB estimates the rows of several files from the first. That of a mart in parts is empty, so
    it hashes the whole mart, for a few rows that are looked up in it.
    """
    connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Have a database read ``encrypted://`` paths, also without the macro."""
    from penchant.encryption.file_system import EncryptedFileSystem  # imports fsspec

    if not connection.filesystem_is_registered(SCHEME):
        connection.register_filesystem(EncryptedFileSystem())


def parquet_relation(connection: duckdb.DuckDBPyConnection, path: Path) -> duckdb.DuckDBPyRelation:
    """A Parquet file as a relation; ``connection.read_parquet`` reads plain files only."""
    return connection.sql(f"FROM read_parquet({_quoted(str(path))})")


def scanned(path: Path) -> str:
    """The path for ``parquet_scan``, which takes lists too; the macro takes one path or pattern."""
    return f"{PREFIX if home_of(path) else ''}{path}"


def written(path: Path) -> str:
    """What to write after ``COPY ... TO``, quoted, for a file that may be encrypted."""
    return _quoted(scanned(path))


def _is_read_only(connection: duckdb.DuckDBPyConnection) -> bool:
    mode = connection.execute("SELECT current_setting('access_mode')").fetchall()[0][0]
    return bool(mode == "read_only")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
