"""The newest comparison with competitors, as the API server reads it."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from penchant.artifacts.competitors import (
    ASPECTS,
    GAPS,
    MATCHES,
    PRICES,
    CompetitorsRecord,
    CompetitorSummary,
)
from penchant.encryption import parquet as pq
from penchant.errors import UnknownId
from penchant.settings import Settings

Rows = tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Comparison:
    """With one competitor. ``matches``: those that count, most confident first."""

    summary: CompetitorSummary
    matches: Rows
    prices: Rows
    gaps: Rows
    aspects: Rows


class PublishedCompetitors:
    """One snapshot's, in memory. Immutable; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self.record = CompetitorsRecord.read(folder / "competitors.json")
        self._tables = {
            name: pq.read_table(folder / name).to_pylist()
            for name in (MATCHES, PRICES, GAPS, ASPECTS)
        }

    def names(self) -> list[str]:
        return [each.competitor for each in self.record.competitors]

    def of(self, competitor: str | None) -> Comparison:
        """With a competitor, the first one where None. Raises UnknownId for another name."""
        name = self.names()[0] if competitor is None else competitor
        summary = next((s for s in self.record.competitors if s.competitor == name), None)
        if summary is None:
            raise UnknownId(
                f"competitor {name!r} is not in snapshot {self.record.snapshot_id}",
                f"pass one of {', '.join(self.names())}",
            )
        matches = [
            row
            for row in self._of(MATCHES, name)
            if row["confidence"] >= self.record.least_confidence
        ]
        return Comparison(
            summary,
            tuple(sorted(matches, key=lambda row: (-row["confidence"], row["item_id"]))),
            self._of(PRICES, name),
            self._of(GAPS, name),
            self._of(ASPECTS, name),
        )

    def _of(self, table: str, competitor: str) -> Rows:
        return tuple(row for row in self._tables[table] if row["competitor"] == competitor)


def published_competitors(settings: Settings) -> PublishedCompetitors:
    """Raises NothingToDo until competitors are compared."""
    return _opened(CompetitorsRecord.published_folder(settings))


@lru_cache(2)
def _opened(folder: Path) -> PublishedCompetitors:
    return PublishedCompetitors(folder)
