"""Reorder points: stock that covers the demand until the next delivery arrives, at a service level.

A reorder point is the forecast of the lead time plus the quantile of past errors of such totals, so
it needs no assumption about their distribution.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from penchant.artifacts.demand import DemandRecord
from penchant.errors import UsageError
from penchant.insights.demand.methods import HORIZON
from penchant.insights.demand.series import DAYS, Floats

MAX_LEAD_DAYS = HORIZON * DAYS


@dataclass(frozen=True)
class RestockPolicy:
    """``service_level``: share of lead times without a stock-out; between 0.5 and 0.99."""

    lead_days: int = 7
    service_level: float = 0.95

    def require_valid(self) -> None:
        """Raise UsageError for a lead time or a service level that has no forecast."""
        if not 1 <= self.lead_days <= MAX_LEAD_DAYS:
            raise UsageError(
                f"lead time: must be from 1 to {MAX_LEAD_DAYS} days, got {self.lead_days}",
                "the forecast ends there; order more often",
            )
        if not 0.5 <= self.service_level <= 0.99:
            raise UsageError(
                f"service level: must be from 0.5 to 0.99, got {self.service_level:g}",
                "pass a share of lead times without a stock-out, such as 0.95",
            )


def restock(
    weekly: pa.Table, record: DemandRecord, policy: RestockPolicy, stock: dict[str, float]
) -> pa.Table:
    """The items to order, the most pieces first; ``weekly``: rows of ``weekly.parquet``.

    ``stock``: pieces on hand or on order by item; an item that is not named has none.
    """
    policy.require_valid()
    items = weekly.filter(pc.equal(weekly["level"], "item"))
    means_NH = np.column_stack([items[f"mean_{week}"].to_numpy() for week in range(1, HORIZON + 1)])
    lead_weeks = policy.lead_days / DAYS
    expected_N = _until(means_NH, policy.lead_days)
    week = min(int(np.ceil(lead_weeks)), HORIZON) - 1
    error_by_class = {
        name: float(np.interp(policy.service_level, record.levels, errors.totals[week]))
        for name, errors in record.errors.items()
    }
    error_N = np.array([error_by_class[name] for name in items["volume_class"].to_pylist()])
    safety_N = error_N * items["scale"].to_numpy() * np.sqrt(lead_weeks)
    point_N = np.ceil(np.maximum(expected_N + safety_N, 0.0) - 1e-9)
    item_ids = items["item_id"].to_pylist()
    on_hand_N = np.array([stock.get(item_id, 0.0) for item_id in item_ids])
    order_N = np.maximum(point_N - on_hand_N, 0.0)
    table = pa.table(
        {
            "item_id": pa.array(item_ids, pa.string()),
            "category": items["category"],
            "expected": expected_N,
            "safety_stock": point_N - expected_N,
            "reorder_point": point_N,
            "on_hand": on_hand_N,
            "order": order_N,
        }
    )
    return table.filter(pc.greater(table["order"], 0.0)).sort_by(
        [("order", "descending"), ("item_id", "ascending")]
    )


def _until(means_NH: Floats, days: int) -> Floats:
    """Expected pieces of the first days."""
    weeks, rest = divmod(days, DAYS)
    total_N = means_NH[:, :weeks].sum(axis=1)
    return total_N + (means_NH[:, weeks] * rest / DAYS if rest else 0.0)


def read_stock(path: Path) -> dict[str, float]:
    """Pieces by item from a CSV file with the columns ``item_id`` and ``on_hand``.

    Raises UsageError for a missing file or column and for a row that is no number.
    """
    remedy = "write a CSV file with the columns item_id and on_hand"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: can't be read: {error}", remedy) from None
    found: dict[str, float] = {}
    for number, row in enumerate(rows, start=2):
        item_id, on_hand = row.get("item_id"), row.get("on_hand")
        if item_id is None or on_hand is None:
            raise UsageError(f"{path}: row {number} lacks item_id or on_hand", remedy)
        try:
            pieces = float(on_hand)
        except ValueError:
            pieces = float("nan")
        if not 0 <= pieces < float("inf"):
            raise UsageError(
                f"{path}: row {number}: on_hand must be a number from 0, got {on_hand!r}", remedy
            )
        found[item_id] = pieces
    return found


def write_restock(listed: pa.Table, path: Path) -> None:
    """Write a restock list as CSV. Raises UsageError where the file can't be written."""
    try:
        pacsv.write_csv(listed, path)
    except OSError as error:
        raise UsageError(f"{path}: can't be written: {error}", "pass another --out") from None
