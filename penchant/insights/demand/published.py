"""The newest demand forecast, as the API server and the console read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from penchant.artifacts.demand import DAILY, WEEKLY, DemandRecord
from penchant.encryption import parquet as pq
from penchant.errors import UnknownId
from penchant.insights.demand.restock import RestockPolicy, restock
from penchant.settings import Settings

MAX_OPEN = 2  # forecasts
ITEM, CATEGORY, SHOP = "item", "category", "shop"


@dataclass(frozen=True)
class Expected:
    """Pieces, with the ends of the 90 % interval. ``start``: the first day of the period."""

    start: date
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class NodeForecast:
    """``method``: what forecasts its volume class. ``history``: pieces of the last weeks, oldest
    first."""

    level: str
    item_id: str | None
    category: str | None
    volume_class: str
    method: str
    history: tuple[float, ...]
    weeks: tuple[Expected, ...]
    days: tuple[Expected, ...]


class PublishedDemand:
    """One forecast, in memory. Immutable."""

    def __init__(self, folder: Path) -> None:
        self.record = DemandRecord.read(folder / "demand.json")
        self.weekly = pq.read_table(folder / WEEKLY)
        self._daily = pq.read_table(folder / DAILY)
        self._title_of = dict(
            zip(self.weekly["item_id"].to_pylist(), self.weekly["title"].to_pylist(), strict=True)
        )
        names = zip(
            *(self.weekly[name].to_pylist() for name in ("level", "item_id", "category")),
            strict=True,
        )
        self._row_of = {
            (level, item_id if level == ITEM else category): row
            for row, (level, item_id, category) in enumerate(names)
        }

    def of_item(self, item_id: str) -> NodeForecast:
        """Raises UnknownId for an item without a sale in the last half year."""
        return self._of(ITEM, item_id, f"item {item_id!r} was not sold in the last half year")

    def of_category(self, category: str) -> NodeForecast:
        """``category``: the first level of the path. Raises UnknownId for an unknown one."""
        return self._of(CATEGORY, category, f"no category {category!r} has a forecast")

    def of_shop(self) -> NodeForecast:
        return self._of(SHOP, None, "the shop has no forecast")

    def categories(self, most: int) -> list[NodeForecast]:
        """Those that sell most, best first."""
        found = [self._at(row) for (level, _), row in self._row_of.items() if level == CATEGORY]
        return sorted(found, key=lambda each: -sum(week.mean for week in each.weeks))[:most]

    def restock(self, policy: RestockPolicy) -> pa.Table:
        """The restock list of a shop without stock: every item's reorder point."""
        return restock(self.weekly, self.record, policy, {})

    def titled(self, listed: pa.Table) -> list[dict[str, Any]]:
        """Rows of a restock list as the API answers them, with their titles."""
        shown = ("item_id", "category", "expected", "safety_stock", "reorder_point")
        return [
            {name: row[name] for name in shown} | {"title": self._title_of[row["item_id"]]}
            for row in listed.to_pylist()
        ]

    def _of(self, level: str, name: str | None, cause: str) -> NodeForecast:
        row = self._row_of.get((level, name))
        if row is None:
            raise UnknownId(cause, "nothing: too little is known to forecast its demand")
        return self._at(row)

    def _at(self, row: int) -> NodeForecast:
        weekly = self.weekly.slice(row, 1).to_pylist()[0]
        days_ahead = len(self._daily) // len(self.weekly)
        daily = self._daily.slice(row * days_ahead, days_ahead).to_pylist()
        days = tuple(Expected(day["day"], day["mean"], day["low"], day["high"]) for day in daily)
        return NodeForecast(
            weekly["level"],
            weekly["item_id"],
            weekly["category"],
            weekly["volume_class"],
            self.record.methods.get(weekly["volume_class"], "none"),
            tuple(weekly["history"]),
            _weeks(weekly, days),
            days,
        )


def _weeks(weekly: dict[str, Any], days: Sequence[Expected]) -> tuple[Expected, ...]:
    starts = [day.start for day in days[::7]]
    return tuple(
        Expected(start, *(weekly[f"{name}_{week}"] for name in ("mean", "low", "high")))
        for week, start in enumerate(starts, start=1)
    )


def published_demand(settings: Settings) -> PublishedDemand:
    """Raises NothingToDo until a forecast is made."""
    return _opened(DemandRecord.published_folder(settings))


@lru_cache(MAX_OPEN)
def _opened(folder: Path) -> PublishedDemand:
    return PublishedDemand(folder)
