"""Questions that customers asked the shop."""

from dataclasses import dataclass
from datetime import datetime

from penchant.artifacts import Snapshot
from penchant.encryption.duckdb_connection import connect

COLUMNS = "question_id, user_id, item_id, text, answer, asked_at"


@dataclass(frozen=True)
class Question:
    """A row of the mart ``questions``."""

    question_id: str
    user_id: str | None
    item_id: str | None
    text: str
    answer: str | None
    asked_at: datetime


def read_questions(snapshot: Snapshot) -> list[Question]:
    """By time; none in a snapshot from before the mart. Blank questions are left out."""
    if not snapshot.mart("questions").exists():
        return []
    with connect(snapshot.path) as connection:
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM {snapshot.counted('questions')} WHERE trim(text) <> '' "
            "ORDER BY asked_at, question_id"
        ).fetchall()
    return [Question(*row) for row in rows]
