"""What has landed: the input of a build."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml

from penchant.building.end_of_data import end_of_data
from penchant.encryption.duckdb_connection import connect
from penchant.errors import DataError, UsageError
from penchant.interactions import DBT_VARIABLES
from penchant.settings import Settings
from penchant.subjects import Subjects

BATCHES = "*/*/*/batch.json"
COMPETITORS, EMBEDDINGS, QUESTIONS = "competitor_items", "item_embeddings", "questions"
INSIGHTS = "insights"
LINKS = {"user_id": "user_identities", "item_id": "item_identities"}


@dataclass(frozen=True, order=True)
class Batch:
    """What identifies a landed batch. Later batches supersede earlier ones in this sort order.

    It is the order of the staging model ``stg_landing__batches``: what landed later wins; of files
    that landed together, the one whose path sorts later.
    ``erased``: rows that were removed because a person asked for it. ``whole_table``: rows of
    earlier batches of ``mapped_by`` are deleted. ``pseudonyms``: whether it landed with user ids,
    which were replaced since. ``expired``: rows that were past their end.
    """

    source: str
    table: str
    landed_at: str
    original_name: str
    sha256: str
    erased: int = 0
    whole_table: bool = False
    mapped_by: str = ""
    pseudonyms: bool = False
    expired: int = 0

    @property
    def name(self) -> str:
        """Its folder, what was changed in it since it landed, and what it replaces."""
        gone = self.erased + self.expired
        erased = f" without {gone} rows" if gone else ""
        replaced = " with pseudonyms" if self.pseudonyms else ""
        replaces = f" replaces {self.mapped_by}" if self.whole_table else ""
        return f"{self.source}/{self.table}/{self.sha256}{erased}{replaced}{replaces}"


@dataclass(frozen=True)
class Landing:
    """All landed batches, and ``as_of``: the end of the data (``end_of_data``), naive UTC.

    ``objecting``: users who are not to be profiled. ``last_feedback``: the newest file of the
    feedback log's events such that the snapshot has all events up to it; later files have events
    after ``as_of``. ``target_event_type``: what families predict; None for the strongest type that
    was recorded.
    """

    batches: tuple[Batch, ...]
    as_of: datetime
    objecting: tuple[str, ...] = ()
    last_feedback: str | None = None
    target_event_type: str | None = None

    @property
    def sources(self) -> list[str]:
        return sorted({batch.source for batch in self.batches})

    @property
    def linked(self) -> list[str]:
        """The id columns that landed tables of identities link."""
        tables = {batch.table for batch in self.batches}
        return [id_ for id_, table in LINKS.items() if table in tables]

    @property
    def has_competitors(self) -> bool:
        """Whether a competitor's catalogue has landed."""
        return any(batch.table == COMPETITORS for batch in self.batches)

    def sources_of(self, table: str) -> list[str]:
        """The sources that landed a table."""
        return sorted({batch.source for batch in self.batches if batch.table == table})

    @property
    def insights(self) -> list[str]:
        """The tables of insights that have landed."""
        return sorted({batch.table for batch in self.batches if batch.source == INSIGHTS})

    @property
    def variables(self) -> dict[str, Any]:
        """The dbt variables that a snapshot id depends on."""
        return {
            "sources": self.sources,
            "as_of": self.as_of.isoformat(sep=" "),
            **({"objecting_users": self.objecting} if self.objecting else {}),
            **({"linked": self.linked} if self.linked else {}),
            **({"competitors": True} if self.has_competitors else {}),
            **({"embedding_sources": found} if (found := self.sources_of(EMBEDDINGS)) else {}),
            **({"question_sources": found} if (found := self.sources_of(QUESTIONS)) else {}),
            **({"insights": found} if (found := self.insights) else {}),
            "target_event_type": self.target_event_type,
            **DBT_VARIABLES,
        }


def has_landed(settings: Settings) -> bool:
    """Whether any batch has landed."""
    return any(settings.landing.glob(BATCHES))


def landed_events(settings: Settings) -> int:
    """Rows of all landed batches of tables of events: what users did or saw, not what the shop has.

    Complete Journey lands 1.5 million purchases beside 21 million rows of promotions.
    """
    tables = _event_times(settings.dbt_project)
    found = (json.loads(path.read_text()) for path in settings.landing.glob(BATCHES))
    return sum(each["rows"] for each in found if (each["source"], each["table"]) in tables)


def read_landing(settings: Settings) -> Landing:
    """Read the landed batches and the time of the last event.

    Raises UsageError when nothing has landed or a source has no staging models, and DataError when
    no landed table has an event.
    """
    found = [json.loads(path.read_text()) for path in settings.landing.glob(BATCHES)]
    if not found:
        raise UsageError(f"{settings.landing} has no batches", "run `penchant ingest` first")
    fields = Batch.__dataclass_fields__
    known = [{name: batch[name] for name in fields if name in batch} for batch in found]
    batches = sorted(Batch(**batch) for batch in known)
    times = _event_times(settings.dbt_project)
    unknown = {batch.source for batch in batches} - _staged(settings.dbt_project)
    if unknown:
        name = min(unknown)
        raise UsageError(
            f"{settings.dbt_project} has no staging models for the source {name!r}",
            f"add models/staging/{name}/_{name}.yml, with meta.event_time of tables of events",
        )
    rows_of_day = Counter[date]()
    for (source, table), column in times.items():
        if any((batch.source, batch.table) == (source, table) for batch in batches):
            rows_of_day.update(_rows_of_day(settings.landing / source / table, column))
    if not rows_of_day:
        raise DataError(
            f"the batches in {settings.landing} have no event", "ingest a table of events"
        )
    as_of = settings.as_of or end_of_data(rows_of_day)
    objecting = tuple(Subjects(settings).objecting())
    last_feedback = _last_feedback(settings, batches, as_of)
    target = settings.target_event_type
    return Landing(tuple(batches), as_of, objecting, last_feedback, target)


def _last_feedback(settings: Settings, batches: list[Batch], as_of: datetime) -> str | None:
    """See ``Landing.last_feedback``; names of the log's files sort by time."""
    log = [each for each in batches if (each.source, each.table) == ("feedback", "events")]
    last = None
    for batch in sorted(log, key=lambda each: each.original_name):
        folder = settings.landing / batch.source / batch.table / batch.sha256
        if any(day >= as_of.date() for day in _rows_of_day(folder.parent, "event_at", folder.name)):
            break
        last = batch.original_name
    return last


def _event_times(dbt_project: Path) -> dict[tuple[str, str], str]:
    """(source, table) → the column with the time of a row's event, from dbt's source YAML."""
    return {
        (source["name"], table["name"]): table["config"]["meta"]["event_time"]
        for source in _sources(dbt_project)
        for table in source["tables"]
        if "event_time" in table.get("config", {}).get("meta", {})
    }


def _staged(dbt_project: Path) -> set[str]:
    """The sources with staging models."""
    return {source["name"] for source in _sources(dbt_project)}


def _sources(dbt_project: Path) -> list[dict[str, Any]]:
    return [
        source
        for path in sorted(dbt_project.glob("models/staging/*/*.yml"))
        for source in yaml.load(path.read_text(), yaml.CSafeLoader).get("sources", [])
    ]


def _rows_of_day(table: Path, column: str, batch: str = "*") -> dict[date, int]:
    with connect(table) as connection:
        found = connection.execute(
            f'select cast("{column}" as date) as day, count(*) '
            f'from read_parquet(?, union_by_name := true) where "{column}" is not null '
            "group by day",
            [str(table / batch / "data.parquet")],
        ).fetchall()
    return dict(found)
