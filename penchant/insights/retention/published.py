"""The newest retention predictions, as the API server and the console read them.

A user's row is read from the file at each request, where ``write_users`` has put it into a small
group of rows. The fading users are kept in memory, in their order, until the file is another one:
all are gone as soon as the folder is erased.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from penchant.artifacts.retention import USERS, RetentionRecord
from penchant.encryption import parquet as pq
from penchant.errors import UnknownId
from penchant.settings import Settings

GROUP = 4096  # users of a row group, of which one is read for a user
PAGE = 100  # fading users that are read at once


@dataclass(frozen=True)
class PublishedRetention:
    """``folder``: of one snapshot."""

    folder: Path
    record: RetentionRecord

    def of_user(self, user_id: str) -> dict[str, Any]:
        """The user's row. Raises UnknownId for a user without a purchase."""
        chosen = pc.field("user_id") == user_id
        rows = pq.read_table(self.folder / USERS, filters=chosen).to_pylist()
        if not rows:
            raise UnknownId(
                f"user {user_id!r} had bought nothing in snapshot {self.record.snapshot_id}",
                "nothing: their return can't be predicted yet",
            )
        return rows[0]

    def fading(self) -> Iterator[dict[str, Any]]:
        """Users who are fading, those who would spend most first; read as far as is taken."""
        path = self.folder / USERS
        file = path.stat()
        table = _fading(path, file.st_ino, file.st_mtime_ns)
        for rows in table.to_batches(max_chunksize=PAGE):
            yield from rows.to_pylist()


@lru_cache(1)
def _fading(path: Path, inode: int, changed_at: int) -> pa.Table:
    order = [("expected_value", "descending"), ("user_id", "ascending")]
    return pq.read_table(path, filters=pc.field("fading")).sort_by(order).combine_chunks()


def write_users(path: Path, table: pa.Table) -> None:
    """Write the rows of all users, so that one is found without reading the others."""
    pq.write_table(table.sort_by("user_id"), path, row_group_size=GROUP)


def published_retention(settings: Settings) -> PublishedRetention:
    """Raises NothingToDo until predictions are made."""
    folder = RetentionRecord.published_folder(settings)
    return PublishedRetention(folder, RetentionRecord.read(folder / "retention.json"))
