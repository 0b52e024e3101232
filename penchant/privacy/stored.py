"""What is stored of a person before anything is derived from it: landed batches, the feedback log,
quarantined files and today's ad counts."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from penchant.building.rejected import ROWS
from penchant.encryption.duckdb_connection import connect
from penchant.encryption.store import opened_alone
from penchant.feedback.log import TABLES, FeedbackLog
from penchant.ingestion.ingest import SOURCES
from penchant.ingestion.landing.user_rows import (
    count_where,
    is_one_of,
    remove_where,
    rows_of,
    users_where,
)
from penchant.ingestion.sources import feedback
from penchant.privacy.mentions import mentions
from penchant.settings import Settings
from penchant.storage import held_alone, write_json

SLATE = "slate_id"


@dataclass(frozen=True)
class StoredTable:
    """A table of landed batches. ``column`` and ``values`` select the rows of some people."""

    source: str
    table: str
    column: str
    values: tuple[str, ...]

    @property
    def place(self) -> str:
        return f"landing/{self.source}/{self.table}"


def stored_tables(user_ids: Sequence[str], slates: set[str]) -> list[StoredTable]:
    """Every landed table that can have rows of these people, in the order of erasure.

    Propensities name one of the ``slates``, which impressions link to a person: they come first.
    """
    shown = StoredTable(feedback.NAME, feedback.PROPENSITIES.table, SLATE, tuple(sorted(slates)))
    return [shown, *_tables_of_users(user_ids)]


def ids_held(settings: Settings, user_ids: Sequence[str]) -> set[str]:
    """Those of the ids that a landed batch or the feedback log has."""
    log, asked = FeedbackLog.of(settings), set(user_ids)
    found = {str(row.get("user_id")) for table in TABLES for row in log.rows(table)} & asked
    with connect(settings.home) as connection:
        for stored in _tables_of_users(user_ids):
            theirs = is_one_of(stored.column, stored.values)
            for batch in _batches(settings, stored.source, stored.table):
                held = users_where(connection, batch / "data.parquet", stored.column, theirs)
                found |= held
    return found


def _tables_of_users(user_ids: Sequence[str]) -> list[StoredTable]:
    return [
        StoredTable(name, contract.table, column, tuple(user_ids))
        for name, source in SOURCES.items()
        for contract in source.CONTRACTS
        for column in contract.user_columns
    ]


def slates_of(settings: Settings, user_ids: Sequence[str]) -> set[str]:
    """The slates that were shown to these people, landed or not."""
    shown = feedback.IMPRESSIONS.table
    landed = landed_rows(settings, StoredTable(feedback.NAME, shown, "user_id", tuple(user_ids)))
    logged = FeedbackLog.of(settings).rows(shown)
    return {row[SLATE] for row in logged if row["user_id"] in user_ids} | (
        set() if landed is None else set(landed[SLATE].to_pylist())
    )


def landed_rows(settings: Settings, stored: StoredTable) -> pa.Table | None:
    """The selected rows of all batches; None where there are none."""
    with connect(settings.home) as connection:
        found = [
            rows_of(connection, batch / "data.parquet", stored.column, stored.values)
            for batch in _batches(settings, stored.source, stored.table)
        ]
    found = [rows for rows in found if len(rows)]
    return pa.concat_tables(found, promote_options="default") if found else None


def erase_landed(settings: Settings, stored: StoredTable) -> int:
    """Remove the selected rows from all batches; return their number.

    A batch says first that it is about to lose rows, so a kill never leaves a changed batch under
    the identity of the old one.
    """
    removed = 0
    with held_alone(settings.landing / stored.source), connect(settings.home) as connection:
        for batch in _batches(settings, stored.source, stored.table):
            parquet, description = batch / "data.parquet", batch / "batch.json"
            theirs = is_one_of(stored.column, stored.values)
            found = count_where(connection, parquet, theirs)
            if found:
                described = json.loads(description.read_text())
                described["erased"] = described.get("erased", 0) + found
                described["rows"] -= found
                write_json(description, described)
                removed += remove_where(connection, parquet, theirs)
    return removed


def erase_logged(settings: Settings, user_ids: Sequence[str], slates: set[str]) -> dict[str, int]:
    """Remove the rows of these people from the feedback log; place -> number of rows."""
    log = FeedbackLog.of(settings)
    with held_alone(settings.landing / feedback.NAME):
        feedback.remove_landed(settings, log)
        return {
            f"feedback/{table}": removed
            # propensities first: only impressions say whose they are
            for table in sorted(TABLES, key=lambda table: table != feedback.PROPENSITIES.table)
            if (removed := log.remove(table, _theirs(user_ids, slates)))
        }


def logged_rows(
    settings: Settings, user_ids: Sequence[str], slates: set[str]
) -> dict[str, list[dict[str, Any]]]:
    """The rows of these people in the feedback log, by table."""
    theirs = _theirs(user_ids, slates)
    log = FeedbackLog.of(settings)
    return {table: [row for row in log.rows(table) if theirs(row)] for table in TABLES}


def erase_quarantined(settings: Settings, user_ids: Sequence[str]) -> int:
    """Delete quarantined files that mention one of these people; return the number of files.

    A quarantined file may be unreadable, so no rows can be removed from it. Rows that a build left
    out are copied again by the next one.
    """
    removed = 0
    for left_out in settings.quarantine.glob(f"*/*/{ROWS}"):
        if mentions(left_out, user_ids):
            left_out.unlink()
            removed += 1
    for reason in settings.quarantine.glob("*/*/*/reason.json"):
        folder = reason.parent
        if any(mentions(file, user_ids) for file in folder.iterdir()):
            shutil.rmtree(folder)
            removed += 1
    return removed


def erase_ad_counts(settings: Settings, user_ids: Sequence[str]) -> int:
    """Remove today's counts of ads shown to these people; return the number of rows."""
    path = settings.home / "ads" / "shown.db"
    if not path.exists():
        return 0
    marks = ", ".join("?" * len(user_ids))
    with opened_alone(path) as connection, connection:
        deleted = connection.execute(
            f"DELETE FROM shown WHERE user_id IN ({marks})", tuple(user_ids)
        )
        return deleted.rowcount


def _theirs(user_ids: Sequence[str], slates: set[str]) -> Callable[[dict[str, Any]], bool]:
    """Whether a row of the feedback log is about one of these people."""
    users = set(user_ids)
    return lambda row: row["user_id"] in users if "user_id" in row else row.get(SLATE) in slates


def _batches(settings: Settings, source: str, table: str) -> list[Path]:
    found = (settings.landing / source / table).glob("*/batch.json")
    return sorted(path.parent for path in found)
