"""Parquet files by PyArrow, encrypted where they are in an encrypted home.

The names are those of ``pyarrow.parquet``, which it stands in for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from penchant.encryption.encrypted_file import is_encrypted_file, open_for_reading, open_for_writing
from penchant.encryption.parts import parts_of


def read_table(path: Path, **options: Any) -> pa.Table:
    """A file, or the files of a folder in the order of their names."""
    if path.is_dir():
        parts = [read_table(part, **options) for part in parts_of(path)]
        # DuckDB marks the columns of some parts as not null
        return pa.concat_tables(parts, promote_options="default")
    with _opened(path) as file:
        return pq.read_table(file, **options)


def read_schema(path: Path) -> pa.Schema:
    with _opened(parts_of(path)[0]) as file:
        return pq.read_schema(file)


def read_metadata(path: Path) -> pq.FileMetaData:
    with _opened(path) as file:
        return pq.read_metadata(file)


def ParquetFile(path: Path, **options: Any) -> pq.ParquetFile:
    return pq.ParquetFile(open_for_reading(path) if is_encrypted_file(path) else path, **options)


def write_table(table: pa.Table, path: Path, **options: Any) -> None:
    with open_for_writing(path) as file:
        pq.write_table(table, file, **options)


@contextmanager
def ParquetWriter(path: Path, schema: pa.Schema, **options: Any) -> Iterator[pq.ParquetWriter]:
    with open_for_writing(path) as file, pq.ParquetWriter(file, schema, **options) as writer:
        yield writer


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """What PyArrow reads: the path of a plain file, which it may map, or the decrypted file."""
    if not is_encrypted_file(path):
        yield path
        return
    with open_for_reading(path) as file:
        yield file
