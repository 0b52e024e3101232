"""The `forecast-demand` stage: backtests, then the forecast of the four weeks after a snapshot."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from penchant.artifacts import Snapshot
from penchant.artifacts.demand import DAILY, WEEKLY, DemandRecord
from penchant.encryption import parquet as pq
from penchant.insights.demand.backtest import backtest
from penchant.insights.demand.methods import BASELINES, HORIZON
from penchant.insights.demand.origins import LEAST_WEEKS, Origin, nodes, origin_at, origin_weeks
from penchant.insights.demand.rolling import calibrated, calibrated_errors
from penchant.insights.demand.selection import (
    ABOVE,
    HIGH,
    LEVELS,
    LOW,
    Hierarchy,
    Selection,
    bounds,
    daily_means,
    daily_scale,
    errors_of,
    reconciled,
    select,
)
from penchant.insights.demand.series import Demand, Floats, read_demand
from penchant.settings import Settings

DAYS_AHEAD = HORIZON * 7
HISTORY_WEEKS = 12
SHOP = "shop"


@dataclass(frozen=True)
class DemandReport:
    """``repeated``: the forecast was there already."""

    record: DemandRecord
    repeated: bool

    def summary(self) -> str:
        record = self.record
        shop = record.total_wape["selected"]["shop"]
        return (
            f"{'unchanged' if self.repeated else 'forecast'} the next {HORIZON} weeks of "
            f"{record.items:,} items in {record.categories} categories from {record.weeks} weeks; "
            f"held-out 4-week WAPE of the shop {shop:.3f}"
        )

    def as_dict(self) -> dict[str, Any]:
        return self.record.as_dict()


def forecast_demand(settings: Settings, snapshot_id: str) -> DemandReport:
    """Write ``insights/<snapshot>/demand/``, once, and make it the published forecast.

    Raises NothingToDo for a snapshot with less than 16 weeks of purchases.
    """
    snapshot = Snapshot.checked(settings, snapshot_id)

    def write(folder: Path) -> DemandRecord:
        demand = read_demand(snapshot, settings.threads, LEAST_WEEKS)
        record, weekly, daily = forecast(settings, snapshot.id, demand)
        pq.write_table(weekly, folder / WEEKLY)
        pq.write_table(daily, folder / DAILY)
        return record

    record, repeated = DemandRecord.publish_once(settings, snapshot.id, write)
    return DemandReport(record, repeated)


def forecast(
    settings: Settings, snapshot_id: str, demand: Demand
) -> tuple[DemandRecord, pa.Table, pa.Table]:
    """The record with its backtest, and the weekly and daily forecasts of the active nodes."""
    validation, test = origin_weeks(demand.weeks)
    hierarchy = Hierarchy(demand.category_N, len(demand.categories))

    def at(week: int) -> Origin:
        return origin_at(demand, week, settings.seed, settings.threads)

    past, held_out = [at(week) for week in validation], [at(week) for week in test]
    # nothing of a held-out week is known to its intervals
    selected = calibrated(select(past, hierarchy), demand, test[0], len(past))
    baseline_errors = {
        name: calibrated_errors(
            errors_of(past, [origin.base[name] for origin in past]),
            dict.fromkeys(ABOVE, name),
            demand,
            test[0],
            len(past),
        )
        for name in BASELINES
    }
    evaluated = backtest(held_out, selected, baseline_errors, hierarchy)
    both = [*past, *held_out]
    final = calibrated(select(both, hierarchy), demand, demand.weeks, len(both))
    now = at(demand.weeks)
    mean_MH = reconciled(now, final, hierarchy)
    record = DemandRecord(
        snapshot_id=snapshot_id,
        weeks=demand.weeks,
        items=len(demand.item_ids),
        categories=len(demand.categories),
        validation_origins=tuple(validation),
        test_origins=tuple(test),
        methods=final.methods,
        reconciled_by=final.way,
        levels=LEVELS,
        errors=final.errors,
        backtest=evaluated.classes,
        service=evaluated.service,
        total_wape=evaluated.total_wape,
    )
    names = _names(demand)
    history_MT = nodes(demand, demand.weekly_NT[:, -HISTORY_WEEKS:])
    weekly = _weekly(now, names, mean_MH, final, history_MT)
    return record, weekly, _daily(demand, now, names, mean_MH, final)


def _names(demand: Demand) -> dict[str, np.ndarray]:
    """Level, item, title and category of each node."""
    items, categories = len(demand.item_ids), len(demand.categories)
    of_items = np.array(demand.categories, dtype=object)[demand.category_N]
    return {
        "level": np.array(["item"] * items + ["category"] * categories + [SHOP], dtype=object),
        "item_id": np.array([*demand.item_ids, *[None] * (categories + 1)], dtype=object),
        "title": np.array([*demand.titles, *[None] * (categories + 1)], dtype=object),
        "category": np.array([*of_items, *demand.categories, None], dtype=object),
    }


def _weekly(
    now: Origin,
    names: dict[str, np.ndarray],
    mean_MH: Floats,
    selection: Selection,
    history_MT: Floats,
) -> pa.Table:
    """A row per active node; a column per week ahead for the mean and both ends of the interval."""
    active_M = now.active_M
    low_MH, high_MH = (bounds(now, mean_MH, selection.errors, level) for level in (LOW, HIGH))
    columns = {
        name: pa.array(values[active_M].tolist(), pa.string()) for name, values in names.items()
    }
    columns["volume_class"] = pa.array(now.classes_M[active_M].tolist(), pa.string())
    columns["scale"] = pa.array(now.scale_M[active_M])
    columns["history"] = pa.array(history_MT[active_M].tolist(), pa.list_(pa.float64()))
    for name, values_MH in (("mean", mean_MH), ("low", low_MH), ("high", high_MH)):
        for week in range(HORIZON):
            columns[f"{name}_{week + 1}"] = pa.array(values_MH[active_M, week])
    return pa.table(columns)


def _daily(
    demand: Demand,
    now: Origin,
    names: dict[str, np.ndarray],
    mean_MH: Floats,
    selection: Selection,
) -> pa.Table:
    """A row per active node and day."""
    mean_MD, scale_MD = daily_means(now, mean_MH), daily_scale(now)
    ends = []
    for level in (LOW, HIGH):
        error_M = np.zeros(len(mean_MD))
        for each, errors in selection.errors.items():
            error_M[now.classes_M == each] = errors.day[level]
        ends.append(np.maximum(mean_MD + error_M[:, None] * scale_MD, 0.0))
    rows = np.flatnonzero(now.active_M)
    first = demand.as_of.date()
    days = [first + timedelta(days=day) for day in range(DAYS_AHEAD)]
    columns = {
        name: pa.array(
            names[name][rows].repeat(DAYS_AHEAD).tolist(), pa.string()
        ).dictionary_encode()
        for name in ("level", "item_id", "category")
    }
    return pa.table(
        columns
        | {"day": pa.array(days * len(rows), pa.date32())}
        | {
            name: pa.array(values_MD[rows].ravel().astype(np.float32))
            for name, values_MD in (("mean", mean_MD), ("low", ends[0]), ("high", ends[1]))
        }
    )
