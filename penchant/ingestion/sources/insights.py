"""What ``refresh_insights`` predicted, as input of the next build.

Two tables. ``item_forecasts``: the demand forecast of each item. ``user_returns``: the predictions
of each user. Rows are those of the published insights, and carry the end of the snapshot that they
were made from. A file lands once for each snapshot, so the tables keep the history of predictions.
"""

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penchant.artifacts import Snapshot
from penchant.artifacts.demand import WEEKLY, DemandRecord
from penchant.artifacts.retention import USERS, RetentionRecord
from penchant.encryption import parquet as pq
from penchant.errors import NothingToDo
from penchant.ingestion.landing.arrival import Arrival, Request
from penchant.ingestion.landing.contract import Column, Contract

NAME = "insights"
WEEKS = 4
LOW, HIGH = 0.05, 0.95

FORECASTS = Contract(
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
)
RETURNS = Contract(
    table="user_returns",
    columns=(
        Column("user_id", "VARCHAR"),
        Column("predicted_at", "TIMESTAMP", may_be_ahead=True),
        Column("return_probability", "DOUBLE", minimum=0, maximum=1),
        Column("expected_value", "DOUBLE"),
        Column("alive_probability", "DOUBLE", minimum=0, maximum=1),
        Column("fading", "BOOLEAN"),
    ),
    key=("user_id", "predicted_at"),
    user_column="user_id",
)
CONTRACTS = (FORECASTS, RETURNS)


def arrivals(request: Request) -> list[Arrival]:
    """The published predictions, a file each. Raises NothingToDo where none are published."""
    settings, found = request.settings, []
    for contract, record, read in (
        (FORECASTS, DemandRecord, item_forecasts),
        (RETURNS, RetentionRecord, user_returns),
    ):
        snapshot_id = record.live(settings).current()
        if snapshot_id is None or not record.path(settings, snapshot_id).exists():
            continue
        as_of = Snapshot.open(settings, snapshot_id).description.as_of
        path = request.workspace / f"{snapshot_id}-{contract.table}.parquet"
        pq.write_table(read(record.folder(settings, snapshot_id), as_of), path)
        found.append(Arrival(contract, path))
    if not found:
        raise NothingToDo(
            "no demand forecast and no retention predictions are published",
            "run `penchant forecast-demand` or `penchant predict-retention` first",
        )
    return found


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
            "forecast_at": _times(as_of, len(items)),
            "volume_class": items["volume_class"],
            "expected_7d": mean_NH[:, 0],
            "expected_28d": total_N,
            **ends,
        }
    )


def user_returns(folder: Path, as_of: datetime) -> pa.Table:
    """A user's predictions."""
    names = ["user_id", "return_probability", "expected_value", "alive_probability", "fading"]
    users = pq.read_table(folder / USERS, columns=names)
    return users.append_column("predicted_at", _times(as_of, len(users)))


def _times(as_of: datetime, count: int) -> pa.Array:
    return pa.array([as_of] * count, pa.timestamp("us"))
