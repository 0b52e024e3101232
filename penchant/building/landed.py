"""What has landed: the input of a build."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import yaml

from penchant.errors import DataError, UsageError
from penchant.interactions import DBT_VARIABLES
from penchant.settings import Settings
from penchant.subjects import Subjects

BATCHES = "*/*/*/batch.json"


@dataclass(frozen=True, order=True)
class Batch:
    """What identifies a landed batch. Later batches supersede earlier ones in this sort order.

    It is the order of the staging model ``stg_landing__batches``: what landed later wins; of files
    that landed together, the one whose path sorts later.
    ``erased``: rows that were removed because a person asked for it.
    """

    source: str
    table: str
    landed_at: str
    original_name: str
    sha256: str
    erased: int

    @property
    def name(self) -> str:
        """Its folder, and how many of its rows were erased."""
        erased = f" without {self.erased} rows" if self.erased else ""
        return f"{self.source}/{self.table}/{self.sha256}{erased}"


@dataclass(frozen=True)
class Landing:
    """All landed batches, and ``as_of``: the midnight after the last event, naive UTC.

    ``objecting``: users who are not to be profiled.
    """

    batches: tuple[Batch, ...]
    as_of: datetime
    objecting: tuple[str, ...] = ()

    @property
    def sources(self) -> list[str]:
        return sorted({batch.source for batch in self.batches})

    @property
    def variables(self) -> dict[str, Any]:
        """The dbt variables that a snapshot id depends on."""
        return {
            "sources": self.sources,
            "as_of": self.as_of.isoformat(sep=" "),
            **({"objecting_users": self.objecting} if self.objecting else {}),
            **DBT_VARIABLES,
        }

    @property
    def last_feedback(self) -> str | None:
        """The newest landed file of the feedback log's events; file names sort by time."""
        names = [
            batch.original_name
            for batch in self.batches
            if (batch.source, batch.table) == ("feedback", "events")
        ]
        return max(names, default=None)


def has_landed(settings: Settings) -> bool:
    """Whether any batch has landed."""
    return any(settings.landing.glob(BATCHES))


def read_landing(settings: Settings) -> Landing:
    """Read the landed batches and the time of the last event.

    Raises UsageError when nothing has landed or a source has no staging models, and DataError when
    no landed table has an event.
    """
    found = [json.loads(path.read_text()) for path in settings.landing.glob(BATCHES)]
    if not found:
        raise UsageError(f"{settings.landing} has no batches", "run `penchant ingest` first")
    fields = Batch.__dataclass_fields__
    batches = sorted(Batch(**{name: batch.get(name, 0) for name in fields}) for batch in found)
    times = _event_times(settings.dbt_project)
    unknown = {batch.source for batch in batches} - {source for source, _ in times}
    if unknown:
        name = min(unknown)
        raise UsageError(
            f"{settings.dbt_project} has no staging models for the source {name!r}",
            f"add models/staging/{name}/_{name}.yml, with meta.event_time for at least one table",
        )
    latest = [
        _latest(settings.landing / source / table, column)
        for (source, table), column in times.items()
        if any((batch.source, batch.table) == (source, table) for batch in batches)
    ]
    moments = [moment for moment in latest if moment is not None]
    if not moments:
        raise DataError(
            f"the batches in {settings.landing} have no event", "ingest a table of events"
        )
    last_day = max(moments).replace(hour=0, minute=0, second=0, microsecond=0)
    objecting = tuple(Subjects(settings).objecting())
    return Landing(tuple(batches), last_day + timedelta(days=1), objecting)


def _event_times(dbt_project: Path) -> dict[tuple[str, str], str]:
    """(source, table) → the column with the time of a row's event, from dbt's source YAML."""
    return {
        (source["name"], table["name"]): table["config"]["meta"]["event_time"]
        for path in sorted(dbt_project.glob("models/staging/*/*.yml"))
        for source in yaml.safe_load(path.read_text()).get("sources", [])
        for table in source["tables"]
        if "event_time" in table.get("config", {}).get("meta", {})
    }


def _latest(table: Path, column: str) -> datetime | None:
    with duckdb.connect() as connection:
        found = connection.execute(
            f'select max("{column}") from read_parquet(?, union_by_name = true)',
            [str(table / "*" / "data.parquet")],
        ).fetchall()
    return found[0][0]
