"""``item_forecasts``: the demand forecast of each item."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penchant.artifacts.demand import WEEKLY, DemandRecord
from penchant.encryption import parquet as pq
from penchant.ingestion.landing.contract import Column, Contract
from penchant.ingestion.predicted.table import InsightTable, published_by, times

WEEKS = 4
LOW, HIGH = 0.05, 0.95


def item_forecasts(folder: Path, as_of: datetime) -> pa.Table:
    """Pieces of an item in the first week and in four, with the 90 % interval of the four."""
    record = DemandRecord.read(folder / "demand.json")
    weekly = pq.read_table(folder / WEEKLY)
    items = weekly.filter(pc.equal(weekly["level"], "item"))
    mean_NH = np.column_stack([items[f"mean_{week}"].to_numpy() for week in range(1, WEEKS + 1)])
    total_N = mean_NH.sum(axis=1)
    spread_N = items["scale"].to_numpy() * np.sqrt(WEEKS)
    ends = {}
    for name, level in (("low_28d", LOW), ("high_28d", HIGH)):
        place = record.levels.index(level)
        error_of = {each: errors.totals[-1][place] for each, errors in record.errors.items()}
        error_N = np.array([error_of[each] for each in items["volume_class"].to_pylist()])
        ends[name] = np.maximum(total_N + error_N * spread_N, 0.0)
    return pa.table(
        {
            "item_id": items["item_id"],
            "forecast_at": times(as_of, len(items)),
            "volume_class": items["volume_class"],
            "expected_7d": mean_NH[:, 0],
            "expected_28d": total_N,
            **ends,
        }
    )


ITEM_FORECASTS = InsightTable(
    Contract(
        table="item_forecasts",
        columns=(
            Column("item_id", "VARCHAR"),
            Column("forecast_at", "TIMESTAMP", may_be_ahead=True),
            Column("volume_class", "VARCHAR"),
            Column("expected_7d", "DOUBLE", minimum=0),
            Column("expected_28d", "DOUBLE", minimum=0),
            Column("low_28d", "DOUBLE", minimum=0),
            Column("high_28d", "DOUBLE", minimum=0),
        ),
        key=("item_id", "forecast_at"),
    ),
    published_by(DemandRecord),
    item_forecasts,
)
