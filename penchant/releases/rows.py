"""Rows of a release, found by key in an Arrow file, which is mapped into memory if it is large.

Publish writes them beside the Feast views, from the same tables, and verifies both. A read of one
row through Feast takes 1 to 3 ms of Python; this takes microseconds, needs no loading, and the
processes of a machine share the memory.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from penchant.encryption.encrypted_file import is_encrypted_file, open_for_writing, read_bytes
from penchant.releases.release import View
from penchant.storage import is_mapped


class Rows:
    """A view's rows in the order of their keys. Safe to share between threads."""

    def __init__(self, view: View, table: pa.Table) -> None:
        """``table``: sorted by the view's key, which is unique."""
        self.table = table
        self._view = view
        self._keys = _Keys(table[view.key])
        self._columns = [(name, table[name]) for name in view.columns]

    @classmethod
    def open(cls, directory: Path, view: View) -> "Rows":
        """Raises FileNotFoundError without a file."""
        path = _path(directory, view)
        if is_encrypted_file(path) or not is_mapped(path):
            return cls(view, pa.ipc.open_file(pa.BufferReader(read_bytes(path))).read_all())
        with pa.memory_map(str(path)) as mapped:
            return cls(view, pa.ipc.open_file(mapped).read_all())

    def __len__(self) -> int:
        return self.table.num_rows

    def position(self, key: str) -> int | None:
        """The position of ``key`` in the order of keys, or None."""
        at = bisect_left(self._keys, key)
        return at if at < len(self._keys) and self._keys[at] == key else None

    def row(self, key: str) -> dict[str, Any] | None:
        """The columns of the view by name, or None."""
        at = self.position(key)
        return None if at is None else self.at(at)

    def at(self, position: int) -> dict[str, Any]:
        """The row at a position, as ``row`` returns it."""
        return {name: column[position].as_py() for name, column in self._columns}


class _Keys:
    """A column of strings as a sequence, for bisection."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._column = column.chunk(0) if column.num_chunks == 1 else column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, at: int) -> str:
        return self._column[at].as_py()


@contextmanager
def writing(directory: Path, view: View, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Write the key and the columns of a view, for ``Rows.open``: call what this yields with parts
    of the rows, which are sorted by key. ``schema``: of the parts."""
    columns = [view.key, *view.columns]
    # the metadata holds the frame of compressed vectors
    written = pa.schema([schema.field(name) for name in columns], metadata=schema.metadata)
    with (
        open_for_writing(_path(directory, view)) as opened,
        pa.ipc.new_file(opened, written) as file,
    ):
        yield lambda part: file.write_table(part.select(columns).combine_chunks())


def _path(directory: Path, view: View) -> Path:
    return directory / f"{view.name}.arrow"
