"""The lists of users in a run, for serving: who gets one, and writing them in parts.

A list reads the scores of the whole catalogue, so lists of all users take time with users times
items. In a large shop the most recently active users have one. The others are served the items
nearest to their vectors, which takes a millisecond for each request.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from penchant.artifacts import RankingModelRecord
from penchant.encryption import parquet as pq
from training.data.histories import Dataset, Histories, IntArray
from training.data.recent_users import recent_users
from training.evaluation.metrics.full_ranking import best
from training.fitting.capabilities import RanksCandidates
from training.fitting.family import Ranker

LIST_LENGTH = 100
LISTED_USERS = 100_000  # at most
LISTED_SCORES = 20_000_000_000  # at most, of all listed users: a few CPU minutes
USERS_A_WRITE = 20_000
RANKED_LISTS = pa.schema(
    {"user_id": pa.string(), "item_ids": pa.list_(pa.string()), "scores": pa.list_(pa.float32())}
)
CANDIDATES = pa.schema(
    {
        "source": pa.string(),
        "key": pa.string(),
        "item_ids": pa.list_(pa.string()),
        "scores": pa.list_(pa.float32()),
    }
)


def listed(histories: Histories, cut: Callable[[str], None]) -> Histories:
    """The users who get a list: all, or the most recently active of a large shop, which ``cut``
    records."""
    most = max(1, min(LISTED_USERS, LISTED_SCORES // histories.item_count))
    if len(histories) <= most:
        return histories
    cut(f"lists of the {most:,} most recently active of {len(histories):,} users")
    return histories.take(recent_users(histories, most))


def write_lists(
    folder: Path,
    family: Ranker,
    histories: Histories,
    dataset: Dataset,
    after_part: Callable[[], None],
) -> None:
    """Write the best items of users of ``dataset``, best first, and for a family that ranks
    candidates the lists that these come from.

    Both are written for one part of the users after the other: the item ids of all lists would need
    gigabytes, and the family remembers the candidates of a part.
    """
    score, ids = family.scorer(), _Ids.of(dataset)
    with ExitStack() as files:

        def writer(path: Path, schema: pa.Schema) -> Callable[[pa.Table], None]:
            writes = files.enter_context(pq.ParquetWriter(path, schema))
            return lambda table: writes.write_table(table, row_group_size=len(table))

        write_ranked = writer(folder / "ranked_lists.parquet", RANKED_LISTS)
        if isinstance(family, RanksCandidates):
            write_candidates = writer(RankingModelRecord.lists_path(folder), CANDIDATES)
        for number, part in enumerate(histories.parts(USERS_A_WRITE)):
            write_ranked(ids.ranked(part, *best(score, part, LIST_LENGTH, after_part)))
            if isinstance(family, RanksCandidates):
                write_candidates(family.candidate_lists(part, dataset, of_all=number == 0))


def list_column(matrix: npt.NDArray[np.generic], values: pa.DataType) -> pa.ListArray:
    """A list column of the matrix's rows."""
    return _lists(pa.array(matrix.ravel(), values), len(matrix))


def _lists(values: pa.Array, rows: int) -> pa.ListArray:
    """Values as ``rows`` lists of equal length."""
    offsets = np.arange(rows + 1) * (len(values) // max(1, rows))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


@dataclass(frozen=True)
class _Ids:
    """The ids of all users and items, made into Arrow's once."""

    users: pa.Array
    items: pa.Array

    @classmethod
    def of(cls, dataset: Dataset) -> "_Ids":
        return cls(pa.array(dataset.user_ids, pa.string()), pa.array(dataset.item_ids, pa.string()))

    def ranked(
        self, users: Histories, scores_UK: npt.NDArray[np.float32], items_UK: IntArray
    ) -> pa.Table:
        lists = {
            "user_id": self.users.take(pa.array(users.users_U)),
            "item_ids": _lists(self.items.take(pa.array(items_UK.ravel())), len(users)),
            "scores": list_column(scores_UK, pa.float32()),
        }
        return pa.table(lists, RANKED_LISTS)
