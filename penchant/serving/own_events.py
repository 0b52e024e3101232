"""The events of a user that one client sent: landed, and still in the log.

A client reads and deletes what it sent itself. The log has the client in the id of an event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penchant.encryption.duckdb_connection import connect
from penchant.errors import UnknownId
from penchant.feedback.identity import logged_id, sent_id
from penchant.feedback.log import FeedbackLog
from penchant.serving.fresh_events.deletions import Deletions
from penchant.settings import Settings

TABLES = ("events", "history")
SOURCE = "feedback"
_COLUMNS = (
    "event_id",
    "session_id",
    "event_type",
    "item_id",
    "quantity",
    "value",
    "query",
    "event_at",
    "impression_id",
)


@dataclass(frozen=True)
class OwnEvent:
    """``event_id``: as the client sent it. ``event_at``: naive UTC."""

    event_id: str
    session_id: str
    event_type: str
    item_id: str | None
    quantity: int | None
    value: float | None
    query: str | None
    event_at: datetime
    impression_id: str | None


@dataclass(frozen=True)
class OwnEvents:
    """Reads the landed batches and the log again for each call."""

    settings: Settings
    log: FeedbackLog
    deletions: Deletions

    def of(self, user_id: str, client: str, most: int) -> list[OwnEvent]:
        """The latest events, newest first, without deleted ones. ``client``: the token's name."""
        deleted = self.deletions.all()
        found: dict[str, OwnEvent] = {}
        for row in self._rows(user_id):
            logged = row["event_id"]
            if logged == logged_id(sent_id(logged), client) and (user_id, logged) not in deleted:
                found.setdefault(logged, _event(row))
        newest = sorted(found.values(), key=lambda event: event.event_id)
        newest.sort(key=lambda event: event.event_at, reverse=True)
        return newest[:most]

    def delete(self, user_id: str, event_ids: Sequence[str], client: str, now: datetime) -> int:
        """Delete events; durable when this returns. Deleting one again changes nothing.

        Raises UnknownId where the client has sent no such event of the user; then none is deleted.
        """
        logged = {logged_id(event_id, client): event_id for event_id in event_ids}
        sent = {row["event_id"] for row in self._rows(user_id)}
        for identity, event_id in logged.items():
            if identity not in sent:
                raise UnknownId(
                    f"unknown event {event_id!r} of user {user_id!r}",
                    "pass the event_id and user_id with which this client sent it",
                )
        already = self.deletions.all()
        rows = [
            {"event_id": identity, "user_id": user_id, "deleted_at": now}
            for identity in logged
            if (user_id, identity) not in already
        ]
        if rows:
            self.log.append("deletions", rows)
        return len(rows)

    def _rows(self, user_id: str) -> list[dict[str, Any]]:
        rows = [
            row for table in TABLES for row in self.log.rows(table) if row["user_id"] == user_id
        ]
        for table in TABLES:
            batches = self.settings.landing / SOURCE / table
            if any(batches.glob("*/data.parquet")):
                rows += self._landed(str(batches / "*" / "data.parquet"), user_id)
        return rows

    def _landed(self, files: str, user_id: str) -> list[dict[str, Any]]:
        query = f"SELECT {', '.join(_COLUMNS)} FROM read_parquet($files) WHERE user_id = $user_id"
        with connect(self.settings.home, config={"threads": self.settings.threads}) as connection:
            values = {"files": files, "user_id": user_id}
            rows = connection.execute(query, values).fetchall()
        return [dict(zip(_COLUMNS, row, strict=True)) for row in rows]


def _event(row: dict[str, Any]) -> OwnEvent:
    at = row["event_at"]
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    values = {name: row[name] for name in _COLUMNS}
    return OwnEvent(**values | {"event_id": sent_id(row["event_id"]), "event_at": moment})
