"""The feedback log of the API server, :mod:`penchant.feedback.log`.

Eight tables. ``items`` and ``users``: as services send them, whole. ``impressions``: each item or
ad that was shown, with its policy, propensity, position, context and release. ``propensities``: the
distribution from which each position of a slate was drawn. ``events``: what users did; an outcome
of an impression has its id. ``history``: events that were imported. ``deletions``: of events.
``seen``: items that count as seen because an answer had them; no model reads it.

A log file that has landed is deleted.
"""

from dataclasses import replace
from pathlib import Path

from penchant.errors import NothingToDo
from penchant.feedback.log import TABLES, FeedbackLog
from penchant.ingestion.landing.arrival import Arrival, Request
from penchant.ingestion.landing.batches import digest
from penchant.ingestion.landing.canonical import canonical_contract
from penchant.ingestion.landing.contract import Code, Column, Contract, Rule
from penchant.settings import Settings

NAME = "feedback"

_ZERO_PROPENSITY = Rule(
    Code.NOT_ALLOWED, "propensity", "propensity <= 0", "0 or less, but it was shown"
)

IMPRESSIONS = Contract(
    table="impressions",
    columns=(
        Column("impression_id", "VARCHAR"),
        Column("slate_id", "VARCHAR"),
        Column("user_id", "VARCHAR"),
        Column("item_id", "VARCHAR", nullable=True),
        Column("ad_id", "VARCHAR", nullable=True),
        Column("placement", "VARCHAR", nullable=True),
        Column("position", "BIGINT", minimum=0),
        Column("policy", "VARCHAR"),
        Column("propensity", "DOUBLE", maximum=1),
        Column("context", "VARCHAR", nullable=True),
        Column("release_id", "VARCHAR", nullable=True),
        Column("score", "DOUBLE", nullable=True),
        Column("shown_at", "TIMESTAMP"),
    ),
    key=("impression_id",),
    rules=(
        _ZERO_PROPENSITY,
        Rule(
            Code.NULL_VALUE,
            "item_id",
            "item_id IS NULL AND ad_id IS NULL",
            "null, and ad_id is null too",
        ),
    ),
    user_column="user_id",
)
PROPENSITIES = canonical_contract("propensities")
CANONICAL_EVENTS = canonical_contract("events")
EVENTS = Contract(
    table="events",
    columns=(
        *CANONICAL_EVENTS.columns,
        Column("impression_id", "VARCHAR", nullable=True),
        Column("received_at", "TIMESTAMP"),
    ),
    rules=CANONICAL_EVENTS.rules,
    user_column="user_id",
)
"""No key: a client may send an event again, and both rows are kept."""

ITEMS, USERS = (
    Contract(
        table=table,
        columns=(*canonical_contract(table).columns, Column("received_at", "TIMESTAMP")),
        user_column=canonical_contract(table).user_column,
    )
    for table in ("items", "users")
)
"""No key: the last row of an item or user counts."""

SEEN = Contract(
    table="seen",
    columns=(
        Column("user_id", "VARCHAR"),
        Column("item_id", "VARCHAR"),
        Column("seen_at", "TIMESTAMP", may_be_ahead=True),
        Column("received_at", "TIMESTAMP"),
    ),
    user_column="user_id",
)
HISTORY = replace(EVENTS, table="history")
"""Events from before the shop sent them, imported."""

DELETIONS = Contract(
    table="deletions",
    columns=(
        Column("event_id", "VARCHAR"),
        Column("user_id", "VARCHAR"),
        Column("deleted_at", "TIMESTAMP"),
    ),
    user_column="user_id",
)
CONTRACTS = (ITEMS, USERS, IMPRESSIONS, PROPENSITIES, EVENTS, SEEN, HISTORY, DELETIONS)


def arrivals(request: Request) -> list[Arrival]:
    """Seal the log and return its files. Raises NothingToDo when there are none."""
    log = FeedbackLog(request.folder or request.settings.feedback)
    log.seal()
    remove_landed(request.settings, log)
    found = [
        Arrival(contract, file) for contract in CONTRACTS for file in log.sealed(contract.table)
    ]
    if not found:
        raise NothingToDo(
            f"{log.folder} has no new files", "ingest again after users have been served"
        )
    return found


def remove_landed(settings: Settings, log: FeedbackLog) -> None:
    """Delete the sealed files that have landed."""
    for table in TABLES:
        for file in log.sealed(table):
            if _has_landed(settings.landing / NAME / table, file):
                file.unlink()


def _has_landed(batches: Path, file: Path) -> bool:
    return (batches / digest(file) / "batch.json").exists()
