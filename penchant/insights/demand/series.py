"""Pieces sold per item and day, as arrays, from the marts of a snapshot."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from penchant.artifacts import Snapshot
from penchant.encryption.duckdb_connection import connect
from penchant.errors import NothingToDo

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DAYS = 7  # of a week
MAX_WEEKS = 156  # of history
NO_CATEGORY = "(no category)"


@dataclass(frozen=True)
class Demand:
    """Pieces that were bought: returns are not deducted, lines without a quantity count one.

    ``pieces_ND``: by item and day, oldest day first, whole weeks that end at ``as_of``.
    ``price_NT``: mean price paid for one in the week, NaN in a week without a sale.
    ``category_N``: place of each item's first category level in ``categories``.
    """

    as_of: datetime
    item_ids: tuple[str, ...]
    titles: tuple[str, ...]
    categories: tuple[str, ...]
    category_N: Ints
    pieces_ND: npt.NDArray[np.float32]
    price_NT: npt.NDArray[np.float32]

    @property
    def weeks(self) -> int:
        return self.pieces_ND.shape[1] // DAYS

    @property
    def weekly_NT(self) -> Floats:
        """Pieces by item and week."""
        return weekly(self.pieces_ND)

    def until(self, week: int) -> "Demand":
        """What was known after the first ``week`` weeks."""
        return Demand(
            self.as_of - timedelta(days=DAYS * (self.weeks - week)),
            self.item_ids,
            self.titles,
            self.categories,
            self.category_N,
            self.pieces_ND[:, : week * DAYS],
            self.price_NT[:, :week],
        )

    def by_category(self, values_NX: npt.ArrayLike) -> Floats:
        """Sums of the items' rows by category: values_CX."""
        values = np.asarray(values_NX, np.float64)
        sums_CX = np.zeros((len(self.categories), values.shape[1]))
        np.add.at(sums_CX, self.category_N, values)
        return sums_CX


def weekly(daily_ND: npt.ArrayLike) -> Floats:
    """Sums over each seven days."""
    daily = np.asarray(daily_ND)
    return daily.reshape(len(daily), -1, DAYS).sum(axis=2, dtype=np.float64)


def read_demand(snapshot: Snapshot, threads: int, least_weeks: int) -> Demand:
    """The purchases of a snapshot's items. ``least_weeks``: whole weeks that the data must have.

    Raises NothingToDo for a snapshot without purchases and for too short a history.
    """
    with connect(snapshot.path, config={"threads": threads}) as connection:
        connection.execute(
            "CREATE TEMP TABLE sold AS SELECT item_id, "
            "date_diff('day', event_at, $as_of::TIMESTAMP) - 1 AS days_before, "
            "sum(coalesce(quantity, 1)) AS pieces, sum(value) AS value "
            f"FROM {snapshot.counted('events')} WHERE event_type = 'purchase' "
            "AND item_id IS NOT NULL AND event_at < $as_of::TIMESTAMP GROUP BY ALL",
            {"as_of": snapshot.as_of},
        )
        oldest = _one(connection.execute("SELECT max(days_before) FROM sold").fetchone())
        weeks = 0 if oldest is None else min((oldest + 1) // DAYS, MAX_WEEKS)
        if weeks < least_weeks:
            raise NothingToDo(
                f"snapshot {snapshot.id} has {weeks} whole weeks of purchases, "
                f"a forecast needs {least_weeks}",
                "land more purchases, then build again",
            )
        rows = connection.execute(
            "SELECT item_id, $last - days_before AS day, pieces, value FROM sold "
            "WHERE days_before <= $last AND pieces > 0 ORDER BY item_id, day",
            {"last": weeks * DAYS - 1},
        ).fetchnumpy()
        items = connection.execute(
            "SELECT item_id, coalesce(category_1, $none), title FROM read_parquet($items) "
            "WHERE item_id IN (SELECT item_id FROM sold WHERE days_before <= $last AND pieces > 0) "
            "ORDER BY item_id",
            {"items": str(snapshot.mart("items")), "none": NO_CATEGORY, "last": weeks * DAYS - 1},
        ).fetchall()
    item_ids = np.array([row[0] for row in items], dtype=object)
    categories, category_N = np.unique([row[1] for row in items], return_inverse=True)
    rows_R = np.searchsorted(item_ids, rows["item_id"].astype(object))
    pieces_ND = np.zeros((len(items), weeks * DAYS), np.float32)
    pieces_ND[rows_R, rows["day"]] = rows["pieces"].astype(np.float64)
    value_ND = np.zeros((len(items), weeks * DAYS), np.float32)
    value_ND[rows_R, rows["day"]] = np.ma.filled(rows["value"].astype(np.float64), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        price_NT = (weekly(value_ND) / weekly(pieces_ND)).astype(np.float32)
    return Demand(
        snapshot.as_of,
        tuple(item_ids),
        tuple(row[2] for row in items),
        tuple(str(name) for name in categories),
        category_N.astype(np.int64),
        pieces_ND,
        price_NT,
    )


def _one(row: tuple[int | None] | None) -> int | None:
    return None if row is None else row[0]
