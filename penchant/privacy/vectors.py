"""The vectors that models made of people, and which files have one: a copy without an id would be
found by no other search."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from penchant.encryption.duckdb_connection import connect
from penchant.encryption.encrypted_file import open_for_reading
from penchant.encryption.store import is_encrypted_store, rows_of_store
from penchant.ingestion.landing.user_rows import rows_of
from penchant.privacy.mentions import CHUNK
from penchant.releases.release import USER_VECTORS

COLUMNS = ("vector", "numbers")  # of floats, and compressed
SHORTEST = 16  # bytes that don't occur by chance


def vectors_of(folders: Sequence[Path], user_ids: Sequence[str]) -> set[bytes]:
    """The bytes of these people's vectors in the tables of runs and releases below the folders."""
    found: set[bytes] = set()
    for table in (file for each in folders for file in each.rglob(f"{USER_VECTORS.name}.parquet")):
        with connect(table) as connection:
            rows = rows_of(connection, table, USER_VECTORS.key, user_ids)
        for column in set(COLUMNS) & set(rows.column_names):
            for value in rows[column].to_pylist():
                stored = value if isinstance(value, bytes) else _bytes(value)
                if len(stored) >= SHORTEST:
                    found.add(stored)
    return found


def files_with(folder: Path, vectors: set[bytes], skip: Sequence[Path]) -> Iterator[Path]:
    """The files below ``folder``, without those below ``skip``, that have one of the vectors."""
    if not vectors:
        return
    longest = max(map(len, vectors))
    for file in sorted(folder.rglob("*")):
        if file.is_symlink() or not file.is_file():
            continue
        if not any(file.is_relative_to(each) for each in skip) and _has(file, vectors, longest):
            yield file


def _bytes(vector: Sequence[float]) -> bytes:
    return np.asarray(vector, "<f4").tobytes()


def _has(file: Path, vectors: set[bytes], longest: int) -> bool:
    if is_encrypted_store(file):
        return any(
            each in value
            for row in rows_of_store(file)
            for value in row
            if isinstance(value, bytes)
            for each in vectors
        )
    before = b""
    with open_for_reading(file) as opened:
        while chunk := opened.read(CHUNK):
            text = before + chunk
            if any(each in text for each in vectors):
                return True
            before = chunk[-longest:]
    return False
