"""The policy log, for training and evaluating policies: the marts `policy_log` and `propensities`.

One row for each logged action with a known propensity and outcome. N: actions, B: a batch of them,
C: candidates, M: candidates of all offers.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penchant.artifacts import Snapshot
from penchant.bandits.slates import BoolArray, FloatArray
from penchant.encryption import parquet as pq
from penchant.errors import DataError, NothingToDo
from training.data.histories import Dataset, rows_of, starts

MART, OFFERS = "policy_log", "propensities"
BATCH = 5000  # actions: bounds the memory of their candidates
Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Offers:
    """The candidates of each logged choice: offer o has ``starts_O1[o]:starts_O1[o + 1]`` of
    ``items_M``, with their ranks before the policy."""

    starts_O1: Rows
    items_M: Rows
    ranks_M: Doubles

    def of(self, offers_B: Rows) -> tuple[Rows, FloatArray, BoolArray]:
        """items_BC, rank_BC and present_BC, each offer's candidates first in its row."""
        lengths_B = self.starts_O1[offers_B + 1] - self.starts_O1[offers_B]
        column_C = np.arange(max(1, int(lengths_B.max(initial=0))))
        present_BC = column_C < lengths_B[:, None]
        place_BC = np.where(present_BC, self.starts_O1[offers_B][:, None] + column_C, 0)
        return self.items_M[place_BC], self.ranks_M[place_BC], present_BC


NO_OFFERS = Offers(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True)
class PolicyLog:
    """In the order of time. ``users_N`` and ``items_N``: rows of the data set; ``places_N``:
    numbers of placements; ``slates_N``: what was shown together, of one number; ``times_N`` and
    ``known_N``: when it was shown and from when its answer is known, seconds since 1970, UTC.
    ``policies_N``: rows of ``policies``. ``offers_N``: rows of ``offers``, -1 where
    candidates were not logged; ``ranks_N``: of the action in its offer. ``clicked_N``: 0 or 1."""

    users_N: Rows
    items_N: Rows
    places_N: Rows
    positions_N: Rows
    slates_N: Rows
    times_N: Rows
    known_N: Rows
    policies_N: Rows
    offers_N: Rows
    ranks_N: Doubles
    propensity_N: Doubles
    clicked_N: Doubles
    policies: tuple[str, ...]
    offers: Offers

    def __len__(self) -> int:
        return len(self.items_N)

    def between(self, start: int, end: int) -> "PolicyLog":
        """The actions shown in [start, end)."""
        return self.take(np.flatnonzero((self.times_N >= start) & (self.times_N < end)))

    def take(self, rows: Rows) -> "PolicyLog":
        per_action = [one.name for one in fields(self) if one.name.endswith("_N")]
        return replace(self, **{name: getattr(self, name)[rows] for name in per_action})


def read_policy_log(snapshot: Snapshot, dataset: Dataset) -> PolicyLog:
    """The log of a snapshot; raises as ``of_table`` does."""
    path = snapshot.mart(MART)
    if not path.is_file():
        raise DataError(
            f"snapshot {snapshot.id} has no mart {MART}: it was built before there was one",
            "run `penchant build` again",
        )
    table, offers = pq.ParquetFile(path).read(), snapshot.mart(OFFERS)
    return of_table(table, dataset, pq.ParquetFile(offers).read() if offers.is_file() else None)


def of_table(table: pa.Table, dataset: Dataset, offered: pa.Table | None = None) -> PolicyLog:
    """The log of the marts' rows.

    Raises NothingToDo where nothing was shown with a propensity, and DataError for a log that no
    policy can be learned or evaluated from.
    """
    check_columns(table)
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
    items_N = rows_of(table["item_id"], dataset.items["item_id"], "item", "items", MART)
    offers_N, offers = _offers(table, offered, dataset)
    policies = pc.fill_null(table["policy"], "").combine_chunks().dictionary_encode()
    return PolicyLog(
        users_N=rows_of(table["user_id"], dataset.users["user_id"], "user", "users", MART),
        items_N=items_N,
        places_N=_numbers(pc.fill_null(table["placement"], "")),
        positions_N=pc.fill_null(table["position"], 0).to_numpy().astype(np.int64),
        slates_N=_numbers(alone),
        times_N=_seconds(table["shown_at"]),
        known_N=_seconds(table["known_at"]),
        policies_N=policies.indices.to_numpy().astype(np.int64),
        offers_N=offers_N,
        ranks_N=_ranks(items_N, offers_N, offers),
        propensity_N=propensity_N,
        clicked_N=pc.cast(table["clicked"], pa.float64()).to_numpy(),
        policies=tuple(policies.dictionary.to_pylist()),
        offers=offers,
    )


def check_columns(table: pa.Table) -> None:
    """Raise DataError when a column that policies are learned or evaluated from is missing or
    empty."""
    needed = ("propensity", "clicked")
    missing = [name for name in needed if name not in table.column_names]
    empty = [
        name
        for name in needed
        if name not in missing and len(table) and table[name].null_count == len(table)
    ]
    if missing or empty:
        what = [f"has no column {name}" for name in missing]
        what += [f"has no value in its column {name}" for name in empty]
        raise DataError(
            f"the policy log {' and '.join(what)}",
            "log each impression with its propensity and with its outcome",
        )


def check_propensities(propensity_N: FloatArray) -> None:
    """Raise DataError for propensities that are not in (0, 1]."""
    for wrong_N, what in (
        (propensity_N <= 0, "0 or less, though the item was shown"),
        (propensity_N > 1, "above 1"),
    ):
        if wrong_N.any():
            raise DataError(
                f"{int(wrong_N.sum())} propensities are {what}",
                "log the probability with which each action was selected",
            )


def _offers(table: pa.Table, offered: pa.Table | None, dataset: Dataset) -> tuple[Rows, Offers]:
    """The offer of each action, by slate and position. Candidates that are no item are left out."""
    nowhere_N = np.full(len(table), -1)
    if offered is None or not len(offered):
        return nowhere_N, NO_OFFERS
    known = pc.is_in(offered["candidate_id"], value_set=dataset.items["item_id"].combine_chunks())
    offered = offered.filter(known).sort_by(
        [("slate_id", "ascending"), ("position", "ascending"), ("rank", "ascending")]
    )
    slates = pc.unique(offered["slate_id"])
    slate_M = pc.index_in(offered["slate_id"], slates).to_numpy().astype(np.int64)
    position_M = offered["position"].to_numpy().astype(np.int64)
    wide = int(position_M.max(initial=0)) + 1
    codes_O, lengths_O = np.unique(slate_M * wide + position_M, return_counts=True)
    items_M = rows_of(offered["candidate_id"], dataset.items["item_id"], "item", "items", OFFERS)
    order_M = np.argsort(slate_M * wide + position_M, kind="stable")
    ranks_M = pc.fill_null(offered["rank"], 0).to_numpy().astype(float)
    slate_N = pc.fill_null(pc.index_in(table["slate_id"], slates), -1).to_numpy().astype(np.int64)
    position_N = pc.fill_null(table["position"], 0).to_numpy().astype(np.int64)
    code_N = np.where((slate_N >= 0) & (position_N < wide), slate_N * wide + position_N, -1)
    place_N = np.minimum(np.searchsorted(codes_O, code_N), len(codes_O) - 1)
    offers_N = np.where(codes_O[place_N] == code_N, place_N, -1)
    return offers_N, Offers(starts(lengths_O), items_M[order_M], ranks_M[order_M])


def _ranks(items_N: Rows, offers_N: Rows, offers: Offers) -> Doubles:
    """The rank of each action in its offer, 0 where it is unknown. Raises DataError for an action
    that is not in its offer."""
    ranks_N = np.zeros(len(items_N))
    rows_N = np.flatnonzero(offers_N >= 0)
    for rows in np.array_split(rows_N, -(-len(rows_N) // BATCH) or 1):
        items_BC, rank_BC, present_BC = offers.of(offers_N[rows])
        mine_BC = (items_BC == items_N[rows][:, None]) & present_BC
        lost = int((~mine_BC.any(axis=1)).sum())
        if lost:
            raise DataError(
                f"{lost} actions are none of the candidates that mart {OFFERS} has for their slate",
                "run `penchant check`: the log of what was shown contradicts itself",
            )
        ranks_N[rows] = rank_BC[np.arange(len(rows)), mine_BC.argmax(axis=1)]
    return ranks_N


def _seconds(times: pa.ChunkedArray) -> Rows:
    return times.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() // 1_000_000


def _numbers(values: pa.ChunkedArray) -> Rows:
    encoded = values.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
