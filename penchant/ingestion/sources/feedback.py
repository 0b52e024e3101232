"""What the shop's own readers were shown and did: the log of :mod:`penchant.feedback.log`.

Three tables. ``impressions``: each item or ad that was shown, with the policy that chose it, its
propensity, position, context and release. ``propensities``: the whole distribution from which a
slate's position was drawn. ``events``: what users did; one that answers an impression names it.

A file that has landed is taken off the log: the batch holds every byte of it.
"""

from pathlib import Path

from penchant.errors import NothingToDo
from penchant.feedback.log import TABLES, FeedbackLog
from penchant.ingestion.landing.arrival import Arrival, Request
from penchant.ingestion.landing.batches import digest
from penchant.ingestion.landing.canonical import canonical_contract
from penchant.ingestion.landing.contract import Code, Column, Contract, Rule

NAME = "feedback"

_IMPOSSIBLE = Rule(Code.NOT_ALLOWED, "propensity", "propensity <= 0", "what was shown had a chance")

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
        Column("shown_at", "TIMESTAMP"),
    ),
    key=("impression_id",),
    rules=(
        _IMPOSSIBLE,
        Rule(
            Code.NULL_VALUE,
            "item_id",
            "item_id IS NULL AND ad_id IS NULL",
            "neither an item nor an ad was shown",
        ),
    ),
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
)
"""No key: a client that was not answered sends an event again, and both lines are kept."""

CONTRACTS = (IMPRESSIONS, PROPENSITIES, EVENTS)


def arrivals(request: Request) -> list[Arrival]:
    """Seal the log and offer all that it holds. Raises NothingToDo where that is nothing new."""
    log = FeedbackLog(request.folder or request.settings.feedback)
    log.seal()
    by_table = {contract.table: contract for contract in CONTRACTS}
    landed = request.settings.landing / NAME
    found = []
    for table in TABLES:
        for file in log.sealed(table):
            if _has_landed(landed / table, file):
                file.unlink()
            else:
                found.append(Arrival(by_table[table], file))
    if not found:
        raise NothingToDo(f"{log.folder} holds nothing new", "users have not been served since")
    return found


def _has_landed(batches: Path, file: Path) -> bool:
    return (batches / digest(file) / "batch.json").exists()
