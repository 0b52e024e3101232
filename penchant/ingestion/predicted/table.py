"""A table of published insights, as it lands."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from penchant.artifacts.insight import InsightRecord
from penchant.ingestion.landing.contract import Contract
from penchant.settings import Settings

Folders = Callable[[Settings], list[tuple[str, Path]]]

ARROW = {
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "DOUBLE": pa.float64(),
    "TIMESTAMP": pa.timestamp("us"),
    "VARCHAR": pa.string(),
}


@dataclass(frozen=True)
class InsightTable:
    """``read`` makes the rows of ``contract`` from each of the published ``folders``, which come
    with their snapshot; it gets the end of that snapshot, which every row carries."""

    contract: Contract
    folders: Folders
    read: Callable[[Path, datetime], pa.Table]


def published_by(record: type[InsightRecord]) -> Folders:
    """The folder of the live snapshot, if one is published."""

    def folders(settings: Settings) -> list[tuple[str, Path]]:
        snapshot_id = record.live(settings).current()
        if snapshot_id is None or not record.path(settings, snapshot_id).exists():
            return []
        return [(snapshot_id, record.folder(settings, snapshot_id))]

    return folders


def table_of(contract: Contract, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows with the columns and types of a contract."""
    schema = pa.schema([(each.name, ARROW[each.type]) for each in contract.columns])
    return pa.Table.from_pylist(rows, schema)


def times(as_of: datetime, count: int) -> pa.Array:
    return pa.array([as_of] * count, ARROW["TIMESTAMP"])
