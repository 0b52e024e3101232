"""The newest launch audiences, as the API server reads them.

Rows are read from the file at each request: they name users, and go with the folder on erasure.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from penchant.artifacts.audience import AUDIENCES, AudienceRecord
from penchant.encryption import parquet as pq
from penchant.errors import UnknownId
from penchant.settings import Settings


@dataclass(frozen=True)
class PublishedAudiences:
    """``folder``: of one snapshot."""

    folder: Path
    record: AudienceRecord

    def of_item(self, item_id: str) -> dict[str, Any]:
        """Title, users and segments of a new item. Raises UnknownId for any other item."""
        rows = pq.read_table(
            self.folder / AUDIENCES, filters=pc.field("item_id") == item_id
        ).to_pylist()
        if not rows:
            raise UnknownId(
                f"item {item_id!r} is not new in snapshot {self.record.snapshot_id}",
                "pass an item that nobody bought more than four weeks before the snapshot's end; "
                "for others, recommend",
            )
        return rows[0]

    def of_user(self, user_id: str) -> list[dict[str, Any]]:
        """The new items whose audience a user is in, with the place there."""
        table = pq.read_table(self.folder / AUDIENCES, columns=["item_id", "user_ids"])
        return [
            {"item_id": row["item_id"], "place": row["user_ids"].index(user_id) + 1}
            for row in table.to_pylist()
            if user_id in row["user_ids"]
        ]


def published_audiences(settings: Settings) -> PublishedAudiences:
    """Raises NothingToDo until audiences are ranked."""
    folder = AudienceRecord.published_folder(settings)
    return PublishedAudiences(folder, AudienceRecord.read(folder / "audience.json"))
