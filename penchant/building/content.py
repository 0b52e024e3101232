"""The content of marts as hashes, independent of the order of rows.

Row hashes are summed, so a repeated row counts each time, and the sum of a mart is that of its
files: only files that the previous snapshot lacks are read.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import duckdb

from penchant.artifacts import Fingerprint, MartDescription
from penchant.encryption.parts import parts_of
from penchant.errors import PenchantError
from penchant.manifest import Column, Mart


def describe(
    connection: duckdb.DuckDBPyConnection,
    mart: Mart,
    path: Path,
    before: tuple[MartDescription, Path] | None = None,
) -> MartDescription:
    """Number of rows and content hash of a mart in ``path``.

    ``before``: the description and path of the mart in the snapshot whose files it may share.
    Raises PenchantError when dbt wrote no file.
    """
    if not path.exists():
        raise PenchantError(
            f"dbt wrote no {path.name}", f"materialize the model {mart.name} as `external`"
        )
    files, found = parts_of(path), Fingerprint()
    old = {file.name: file for file in parts_of(before[1])} if before else {}
    shared = {file.name for file in files if file.name in old and file.samefile(old[file.name])}
    if before and before[0].fingerprint and shared:
        gone = [file for name, file in old.items() if name not in shared]
        files = [file for file in files if file.name not in shared]
        found = before[0].fingerprint - _fingerprint(connection, mart, gone)
    found += _fingerprint(connection, mart, files)
    return MartDescription(
        rows=found.rows, content_hash=content_hash(mart, found), fingerprint=found
    )


def content_hash(mart: Mart, found: Fingerprint) -> str:
    """Hash of a mart's column names, types and rows. Columns marked ``wall_clock`` are left out."""
    columns = [[column.name, column.type] for column in _columns(mart)]
    described = json.dumps([columns, [found.rows, found.total, found.parity]])
    return hashlib.sha256(described.encode()).hexdigest()


def _fingerprint(
    connection: duckdb.DuckDBPyConnection, mart: Mart, files: Sequence[Path]
) -> Fingerprint:
    found = Fingerprint()
    names = ", ".join(f'"{column.name}"' for column in _columns(mart))
    query = (
        f"select count(*), coalesce(sum(hash({names})::hugeint), 0), "
        f"coalesce(bit_xor(hash('again', {names})), 0) from read_parquet(?)"
    )
    for file in files:
        rows, total, parity = connection.execute(query, [str(file)]).fetchall()[0]
        found += Fingerprint(rows=rows, total=total, parity=parity)
    return found


def _columns(mart: Mart) -> list[Column]:
    return [column for column in mart.columns if not column.meta.get("wall_clock")]
