"""Stage ``ingest``: each file of a source becomes a landed batch or is quarantined."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path

import structlog

from penchant.errors import DataError, UsageError
from penchant.ingestion.coverage import coverage
from penchant.ingestion.landing.arrival import Arrival, Request, Source
from penchant.ingestion.landing.batches import Landing, Outcome
from penchant.settings import Settings

NAMES = (
    *("complete_journey", "feedback", "files", "insights"),
    *("online_retail", "open_bandit", "simulator"),
)
"""Modules of `sources/`, each named as its source."""


class _Sources(Mapping[str, Source]):
    """Imports a source when it is asked for: together they take as long as landing a day."""

    def __getitem__(self, name: str) -> Source:
        if name not in NAMES:
            raise KeyError(name)
        source: Source = import_module(f"penchant.ingestion.sources.{name}")
        return source

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


SOURCES: Mapping[str, Source] = _Sources()
NAMED_IN_SUMMARY = 3  # quarantined files that the summary names
MISSING = {
    "items": "no catalogue (table items): titles are the ids, and there are no categories, brands "
    "and prices to learn from or to filter by",
}

log = structlog.get_logger()


@dataclass(frozen=True)
class IngestReport:
    """The files of an ingest by status, each as ``Outcome.as_dict`` describes it.

    ``missing``: what the source has not landed yet, and what that means; and how many ids of its
    events are not in its catalogue and table of users.
    """

    source: str
    landed: list[dict]
    unchanged: list[dict]
    quarantined: list[dict]
    missing: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        return {
            "source": self.source,
            "landed": self.landed,
            "unchanged": self.unchanged,
            "quarantined": self.quarantined,
            "missing": list(self.missing),
        }

    def summary(self) -> str:
        """One line of output."""
        counts = (
            f"landed {len(self.landed)}, unchanged {len(self.unchanged)}, "
            f"quarantined {len(self.quarantined)}"
        )
        named = [_why(each) for each in self.quarantined[:NAMED_IN_SUMMARY]]
        more = len(self.quarantined) - len(named)
        if more:
            named.append(f"and {more} more")
        line = f"{counts} ({'; '.join(named)})" if named else counts
        rejected = [file for file in self.landed if file["rejected"]]
        if rejected:
            rows = sum(file["rejected"] for file in rejected)
            line += f"; {rows:,} rows rejected, see {rejected[0]['path']}/rejected.jsonl"
        return "; ".join([line, *self.missing])


def ingest(
    settings: Settings,
    source: str | None = None,
    path: Path | None = None,
    mapping: Path | None = None,
    day: date | None = None,
    *,
    now: datetime | None = None,
    **sizes: int,
) -> IngestReport:
    """Land a source's files.

    ``source``, ``path`` and ``mapping`` default to the settings. ``day`` selects one file of a
    source with daily files; others ignore it. ``sizes`` (users, items, days, styles) are
    for the simulator.
    A timestamp after ``now`` (naive UTC; by default the wall clock) is in the future.

    Raises UsageError when there is nothing to ingest, and DataError when every file was quarantined
    and the source has no earlier batch.
    """
    module = _source(source or settings.source)
    folder = path or settings.source_path
    if folder is not None and not folder.is_dir():
        raise UsageError(
            f"{folder} is not a folder",
            "point --path or PENCHANT_SOURCE_PATH at the source's files",
        )
    clock = now or datetime.now(UTC).replace(tzinfo=None)
    with Landing.locked(settings, module.NAME, clock) as landing:
        landing.ensure_empty_batches(module.CONTRACTS)
        request = Request(
            settings, folder, mapping or settings.mapping, day, sizes, landing.workspace
        )
        outcomes = [_land(landing, arrival) for arrival in module.arrivals(request)]
    missing = tuple(
        MISSING[contract.table]
        for contract in module.CONTRACTS
        if contract.table in MISSING and not landing.has_batches(contract.table)
    )
    lacking = coverage(landing.folder) if module.NAME == "files" else ()
    report = _report(module.NAME, outcomes, (*missing, *lacking))
    if not landing.has_batches():
        raise DataError(
            f"no file of the source {module.NAME} landed: {report.summary()}",
            f"fix the reasons in {settings.quarantine / module.NAME}/*/*/reason.json; ingest again",
        )
    return report


def _source(name: str) -> Source:
    if name not in SOURCES:
        raise UsageError(f"unknown source {name!r}", f"use one of {', '.join(sorted(SOURCES))}")
    return SOURCES[name]


def _land(landing: Landing, arrival: Arrival) -> Outcome:
    outcome = landing.land(arrival)
    if arrival.acknowledge and outcome.status != "quarantined":
        arrival.acknowledge()
    log.info(
        "batch",
        status=outcome.status,
        table=outcome.table,
        file=outcome.original_name,
        rows=outcome.rows,
        codes=[reason.code for reason in outcome.reasons],
    )
    return outcome


def _report(source: str, outcomes: Iterable[Outcome], missing: tuple[str, ...]) -> IngestReport:
    by_status: dict[str, list[dict]] = {"landed": [], "unchanged": [], "quarantined": []}
    for outcome in outcomes:
        by_status[outcome.status].append(outcome.as_dict())
    return IngestReport(source, **by_status, missing=missing)


def _why(quarantined: dict) -> str:
    reason = quarantined["reasons"][0]
    where = f"{reason['column']}: " if reason["column"] else ""
    first = f" (row {reason['first_row']}: {reason['value']})" if reason["first_row"] else ""
    return (
        f"{quarantined['table']}: {quarantined['original_name']}: {where}{reason['detail']}"
        f"{first}; see {quarantined['path']}"
    )
