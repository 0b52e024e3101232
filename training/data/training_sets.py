"""The training sets of a snapshot, in which Feast has joined features to labels point-in-time."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from penchant.artifacts import Snapshot
from penchant.encryption import parquet as pq
from penchant.errors import DataError, UsageError
from training.data.histories import read_file, without_zone

FEATURE_TIME = "__feature_time"
EVENT_TIME = "event_timestamp"


def read_training_set(snapshot: Snapshot, name: str) -> pa.Table:
    """A training set that Feast assembled.

    Raises UsageError when it was not assembled, DataError on feature leakage.
    """
    if not snapshot.training_set(name).is_file():
        raise UsageError(
            f"snapshot {snapshot.id} has no training set {name}",
            f"run `penchant training-sets --snapshot {snapshot.id}` first",
        )
    table = read_file(snapshot.training_set(name))
    check_point_in_time(table, name)
    return table


def check_training_set(path: Path) -> None:
    """Raise DataError on feature leakage in the file of a training set; reads its times alone."""
    file = pq.ParquetFile(path)
    times = [name for name in file.schema_arrow.names if name.endswith((EVENT_TIME, FEATURE_TIME))]
    check_point_in_time(file.read(times), path.stem)


def check_point_in_time(table: pa.Table, name: str, event_time: str = EVENT_TIME) -> None:
    """Raise DataError on feature leakage: a feature that was not yet valid at its row's event.

    Each column ``<view>__feature_time`` is the time from which a view's features were valid; null
    where the view had none.
    """
    feature_times = [column for column in table.column_names if column.endswith(FEATURE_TIME)]
    if event_time not in table.column_names or not feature_times:
        raise DataError(
            f"training set {name} has no {event_time} or no *{FEATURE_TIME} column, so the "
            "point-in-time join can't be verified",
            "keep the feature views' timestamps in the training set",
        )
    for column in feature_times:
        leaked = (
            pc.sum(pc.greater(without_zone(table[column]), without_zone(table[event_time]))).as_py()
            or 0
        )
        if leaked:
            raise DataError(
                f"training set {name}: {leaked} rows have {column} after {event_time}: "
                "feature leakage",
                "join features with Feast's historical retrieval and build the training set again",
            )
