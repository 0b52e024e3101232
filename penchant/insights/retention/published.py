"""The newest retention predictions, as the API server and the console read them.

Rows are read from the file at each request: a user's row is gone as soon as the folder is erased.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from penchant.artifacts.retention import USERS, RetentionRecord
from penchant.encryption import parquet as pq
from penchant.errors import UnknownId
from penchant.settings import Settings


@dataclass(frozen=True)
class PublishedRetention:
    """``folder``: of one snapshot."""

    folder: Path
    record: RetentionRecord

    def of_user(self, user_id: str) -> dict[str, Any]:
        """The user's row. Raises UnknownId for a user without a purchase."""
        rows = self._read(pc.field("user_id") == user_id).to_pylist()
        if not rows:
            raise UnknownId(
                f"user {user_id!r} had bought nothing in snapshot {self.record.snapshot_id}",
                "nothing: their return can't be predicted yet",
            )
        return rows[0]

    def fading(self) -> list[dict[str, Any]]:
        """Users who are fading, those who would spend most first."""
        order = [("expected_value", "descending"), ("user_id", "ascending")]
        return self._read(pc.field("fading")).sort_by(order).to_pylist()

    def _read(self, chosen: pc.Expression) -> pa.Table:
        return pq.read_table(self.folder / USERS, filters=chosen)


def published_retention(settings: Settings) -> PublishedRetention:
    """Raises NothingToDo until predictions are made."""
    folder = RetentionRecord.published_folder(settings)
    return PublishedRetention(folder, RetentionRecord.read(folder / "retention.json"))
