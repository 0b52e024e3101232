"""The item features of a ranking model in a release, so that requests needn't read them."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from penchant.artifacts import RankingModelRecord
from penchant.feast_sdk import FeatureStore
from penchant.features.batched_reads import Column, view_readers
from penchant.ranking.features import FEATURE_TIME, FeatureColumn

ITEM = "item_id"
ITEMS_A_PART = 10_000


def item_values(
    features: FeatureStore,
    record: RankingModelRecord,
    item_ids: pa.ChunkedArray,
    as_of: datetime,
) -> npt.NDArray[np.void]:
    """values_I: of each item, the columns of the views of items that the model reads and the times
    of their rows, by name as ``ranking_features`` has them; NaN where unknown. Texts are places
    in the column's ``values``. Rows that had expired by ``as_of`` count as missing."""
    readers = view_readers(features, record.feature_service)
    columns: dict[str, list[FeatureColumn]] = {}
    for column in record.columns:
        if column.view in readers and readers[column.view].keys == (ITEM,):
            columns.setdefault(column.view, []).append(column)
    names = [
        name
        for view, of_view in columns.items()
        for name in (*(column.reference for column in of_view), f"{view}__{FEATURE_TIME}")
    ]
    values_I = np.empty(len(item_ids), [(name, "<f8") for name in names])
    for first in range(0, len(item_ids), ITEMS_A_PART):
        part = slice(first, first + ITEMS_A_PART)
        ids = item_ids[part].to_pylist()
        for view, of_view in columns.items():
            rows = readers[view].read({ITEM: ids}, [column.name for column in of_view], as_of)
            values_I[f"{view}__{FEATURE_TIME}"][part] = rows.times_N
            for column in of_view:
                values_I[column.reference][part] = _coded(column, rows.columns[column.name])
    return values_I


def _coded(column: FeatureColumn, values_N: Column) -> Sequence[float] | Column:
    if column.kind != "text":
        return values_N
    codes = {value: float(code) for code, value in enumerate(column.values)}
    return [codes.get(value, np.nan) for value in values_N.tolist()]
