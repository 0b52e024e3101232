"""Retention: landed rows end some days after their event.

``PENCHANT_RETENTION_DAYS`` is for every landed table that says when a row's event was; the source
YAML of dbt overrides it for one table with ``meta.retention_days``. Such a table has
``meta.event_time``, or ``meta.retention_time`` where its rows are no events. Marts, models and
releases follow with the next build.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, product
from pathlib import Path
from typing import Any

import duckdb
import yaml

from penchant.artifacts.receipt import RetentionReceipt
from penchant.encryption.duckdb_connection import connect
from penchant.errors import NothingToDo, UsageError
from penchant.feedback.log import TABLES, FeedbackLog
from penchant.ingestion.ingest import SOURCES
from penchant.ingestion.landing.reading import identifier, literal
from penchant.ingestion.landing.user_rows import remove_where, users_where
from penchant.ingestion.sources import feedback
from penchant.privacy.signing import public_key, sign
from penchant.settings import Settings
from penchant.storage import PRIVATE, held_alone, write_json
from penchant.subjects import Subjects
from penchant.vault import Vault

UNREAD = (feedback.NAME, feedback.SEEN.table, {"retention_time": "received_at"})
"""A table of people that no model of dbt reads."""

MAX_DAYS = 36_525  # a century; dates before the year 1 can't be written
NEXT = "the next build leaves them out of what is derived"


@dataclass(frozen=True)
class Term:
    """How long a landed table keeps rows, and the column with the time that it counts from."""

    source: str
    table: str
    column: str
    days: int

    @property
    def place(self) -> str:
        return f"landing/{self.source}/{self.table}"

    def expired(self, now: datetime) -> str:
        """SQL that is true for a row whose term is over. ``now``: naive UTC."""
        until = (now - timedelta(days=self.days)).isoformat(sep=" ")
        return f"{identifier(self.column)} < TIMESTAMP {literal(until)}"


@dataclass(frozen=True)
class RetentionReport:
    """``removed``: place -> rows. ``people``: of the vault, of whom nothing is left."""

    removed: dict[str, int]
    people: int
    receipt: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        places = ", ".join(f"{place} {count:,}" for place, count in sorted(self.removed.items()))
        return f"rows removed: {places}; {NEXT}; receipt: {self.receipt}"


def apply_retention(settings: Settings, now: datetime | None = None) -> RetentionReport:
    """Remove the landed rows whose term is over. ``now``: naive UTC.

    Each batch is replaced whole, so a killed call leaves old batches and new ones; the next goes
    on, also with the people that the vault is to forget. Raises NothingToDo where no table has a
    term, or none is over.
    """
    at = now or datetime.now(UTC).replace(tzinfo=None)
    found = terms(settings)
    if not found:
        raise NothingToDo(
            "no landed table has an end",
            "set PENCHANT_RETENTION_DAYS, or meta.retention_days of a source table",
        )
    removed, leaving = dict[str, int](), Leaving(settings)
    for term in found:
        if _batches(settings.home / term.place):
            _end(settings, term, at, removed, leaving)
    removed = {place: count for place, count in removed.items() if count}
    people = leaving.people()
    if not removed and not people:
        raise NothingToDo("no landed row is past its end", "nothing")
    forgotten = Vault(settings).forget(people - _still_there(settings, people))
    leaving.end()
    return RetentionReport(removed, forgotten, str(_receipt(settings, found, removed, at)))


def terms(settings: Settings) -> list[Term]:
    """The landed tables whose rows end, sources in order of name."""
    return [
        Term(source, table, column, days)
        for source, table, meta in [*_source_tables(settings.dbt_project), UNREAD]
        if source in SOURCES
        if (column := meta.get("retention_time", meta.get("event_time")))
        if (days := _days(settings, source, table, meta)) is not None
    ]


class Leaving:
    """Pseudonyms of people whose rows end, in a file until the vault has forgotten those of whom
    nothing is left: a killed call must not leave them there."""

    def __init__(self, settings: Settings) -> None:
        self._path, self._vault = settings.privacy / "leaving.json", Vault(settings).path

    def people(self) -> set[str]:
        return set(json.loads(self._path.read_text())) if self._path.exists() else set()

    def add(self, people: set[str]) -> None:
        """Call it before rows are removed."""
        if people and self._vault.exists():
            write_json(self._path, sorted(people | self.people()), PRIVATE)

    def end(self) -> None:
        self._path.unlink(missing_ok=True)


def _end(
    settings: Settings, term: Term, now: datetime, removed: dict[str, int], leaving: Leaving
) -> None:
    """Remove a table's rows whose term is over, and add their numbers to ``removed`` by place."""
    folder, condition = settings.home / term.place, term.expired(now)
    with held_alone(folder.parent), connect(settings.home) as connection:
        if (term.source, term.table) == (feedback.NAME, feedback.IMPRESSIONS.table):
            place = f"landing/{feedback.NAME}/{feedback.PROPENSITIES.table}"
            slates = _slates(connection, folder, condition)
            removed[place] = _remove(connection, settings.home / place, slates)
        column, users = _user_column(term), set[str]()
        for batch in _batches(folder) if column else ():
            users |= users_where(connection, batch / "data.parquet", str(column), condition)
        leaving.add(users)
        removed[term.place] = _remove(connection, folder, condition)


def _days(settings: Settings, source: str, table: str, meta: dict[str, Any]) -> int | None:
    days = meta.get("retention_days", settings.retention_days)
    if days is not None and (type(days) is not int or not 1 <= days <= MAX_DAYS):
        raise UsageError(
            f"{settings.dbt_project}: source {source}, table {table}: meta.retention_days must be "
            f"a positive integer, at most {MAX_DAYS:,}, got {days!r}",
            "write a number of days",
        )
    return days


def _source_tables(dbt_project: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in sorted(dbt_project.glob("models/staging/*/*.yml")):
        for source in yaml.safe_load(path.read_text()).get("sources", []):
            for table in source["tables"]:
                yield source["name"], table["name"], table.get("config", {}).get("meta", {})


def _slates(connection: duckdb.DuckDBPyConnection, folder: Path, condition: str) -> str:
    """SQL that is true for a propensity of a slate that ends: only impressions have its time."""
    files = literal(str(folder / "*" / "data.parquet"))
    shown = f"read_parquet({files}, union_by_name := true)"
    query = f"SELECT DISTINCT slate_id FROM {shown} WHERE {condition}"
    connection.execute(f"CREATE TEMP TABLE ended AS {query}")
    return "slate_id IN (SELECT slate_id FROM ended)"


def _remove(connection: duckdb.DuckDBPyConnection, folder: Path, condition: str) -> int:
    """Remove rows from all batches of a table; return their number.

    A batch says first that it is about to lose rows, so a kill never leaves a changed batch under
    the identity of the old one. What it says depends on what is there, so it can be said again.
    """
    removed = 0
    for batch in _batches(folder):
        parquet, description = batch / "data.parquet", batch / "batch.json"
        rows, ended = connection.execute(
            f"SELECT count(*), count(*) FILTER (WHERE {condition}) "
            f"FROM read_parquet({literal(str(parquet))}, hive_partitioning := false)"
        ).fetchall()[0]
        if ended:
            described = json.loads(description.read_text())
            landed = described["rows"] + described.get("expired", 0)
            described |= {"rows": rows - ended, "expired": landed - (rows - ended)}
            write_json(description, described)
            removed += remove_where(connection, parquet, condition)
    return removed


def _batches(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/batch.json"))


def _user_column(term: Term) -> str | None:
    contracts = {contract.table: contract for contract in SOURCES[term.source].CONTRACTS}
    return contracts[term.table].user_column


def _still_there(settings: Settings, people: set[str]) -> set[str]:
    """Those of the people who have landed rows, or rows that wait to land."""
    log = FeedbackLog.of(settings)
    found = {str(row.get("user_id")) for table in TABLES for row in log.rows(table)} & people
    with connect(settings.home) as connection:
        for name, source in SOURCES.items():
            for contract in source.CONTRACTS:
                batches = _batches(settings.landing / name / contract.table)
                for batch, column in product(batches, contract.user_columns):
                    data = batch / "data.parquet"
                    found |= users_where(connection, data, column, "true") & people
    return found


def _receipt(settings: Settings, found: list[Term], removed: dict[str, int], at: datetime) -> Path:
    key = Subjects(settings).key()
    receipt = RetentionReceipt(
        applied_at=at,
        days={term.place: term.days for term in found},
        removed=removed,
        public_key=public_key(key),
    )
    path = _unused(settings.privacy / "receipts", f"retention-{at:%Y%m%dT%H%M%S}")
    sign(receipt, key).write(path)
    path.chmod(0o600)
    return path


def _unused(folder: Path, stem: str) -> Path:
    """A file that doesn't exist: a second call within a second has a receipt of its own."""
    names = (f"{stem}{f'-{number}' if number > 1 else ''}.json" for number in count(1))
    return next(path for name in names if not (path := folder / name).exists())
