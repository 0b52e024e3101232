"""What policies learn from and are judged on: the mart `policy_log`, as arrays.

One row a pick whose propensity and answer are known; which those are, the mart says. N: picks,
C: candidates.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from penchant.errors import DataError, NothingToDo
from penchant.snapshot import Snapshot
from training.data import Dataset, Histories, rows_of
from training.policies.off_policy import check_columns, check_propensities

MART = "policy_log"
Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PolicyLog:
    """In the order of time. ``users_N`` and ``items_N``: rows of the data set; ``places_N``:
    numbers of placements; ``slates_N``: what was shown together, of one number; ``times_N``:
    seconds since 1970, UTC. ``clicked_N``: 0 or 1."""

    users_N: Rows
    items_N: Rows
    places_N: Rows
    positions_N: Rows
    slates_N: Rows
    times_N: Rows
    propensity_N: Doubles
    clicked_N: Doubles

    def __len__(self) -> int:
        return len(self.items_N)

    def between(self, start: int, end: int) -> "PolicyLog":
        """The picks that were shown in [start, end)."""
        return self.take(np.flatnonzero((self.times_N >= start) & (self.times_N < end)))

    def take(self, rows: Rows) -> "PolicyLog":
        return replace(self, **{one.name: getattr(self, one.name)[rows] for one in fields(self)})


@dataclass(frozen=True)
class Asked:
    """Requests of one candidate list, asked with what these histories know: ``users_B`` rows of
    them, ``positions_B`` where each pick would be shown, ``candidates_C`` rows of items."""

    histories: Histories
    users_B: Rows
    positions_B: Rows
    candidates_C: Rows


def read_policy_log(snapshot: Snapshot, dataset: Dataset) -> PolicyLog:
    """The log of a snapshot; raises as ``of_table`` does."""
    path = snapshot.mart(MART)
    if not path.is_file():
        raise DataError(
            f"snapshot {snapshot.id} has no mart {MART}: it was built before there was one",
            "run `penchant build` again",
        )
    return of_table(pq.ParquetFile(path).read(), dataset)


def of_table(table: pa.Table, dataset: Dataset) -> PolicyLog:
    """The log of the mart's rows.

    Raises NothingToDo where nothing was shown with a propensity, and DataError for a log that no
    policy can be learned or judged from.
    """
    check_columns(table, "clicked")
    if not len(table):
        raise NothingToDo(
            "no item was shown with a propensity, so there is nothing that a policy can learn from",
            "serve with `penchant serve`, which logs them, or land a source that has them: "
            "open_bandit, simulator",
        )
    unknown = pc.sum(pc.is_null(table["clicked"])).as_py()
    if unknown:
        raise DataError(
            f"mart {MART} has {unknown} rows that do not say whether they were clicked",
            "leave them out of the mart until their answer is known",
        )
    table = table.sort_by([("shown_at", "ascending"), ("impression_id", "ascending")])
    propensity_N = table["propensity"].to_numpy().astype(float)
    check_propensities(propensity_N)
    alone = pc.coalesce(table["slate_id"], table["impression_id"])
    microseconds = table["shown_at"].cast(pa.timestamp("us")).cast(pa.int64())
    return PolicyLog(
        rows_of(table["user_id"], dataset.users["user_id"], "user", "users", MART),
        rows_of(table["item_id"], dataset.items["item_id"], "item", "items", MART),
        _numbers(pc.fill_null(table["placement"], "")),
        pc.fill_null(table["position"], 0).to_numpy().astype(np.int64),
        _numbers(alone),
        microseconds.to_numpy() // 1_000_000,
        propensity_N,
        pc.cast(table["clicked"], pa.float64()).to_numpy(),
    )


def _numbers(values: pa.ChunkedArray) -> Rows:
    encoded = values.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
