"""What a user had bought up to a moment, and what they bought after it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from penchant.artifacts import Snapshot
from penchant.encryption.duckdb_connection import connect

Floats = npt.NDArray[np.float64]

RETURN_DAYS, VALUE_DAYS = 28, 90
DAY = 86_400.0


@dataclass(frozen=True)
class Orders:
    """Days on which a user bought, a row each, by user and day.

    ``user_R``: place in ``user_ids``; ``day_R``: days before ``as_of``, the last day is 1;
    ``value_R``: money spent that day.
    """

    as_of: datetime
    user_ids: tuple[str, ...]
    user_R: npt.NDArray[np.int64]
    day_R: npt.NDArray[np.int64]
    value_R: Floats


@dataclass(frozen=True)
class Users:
    """Users with an order before a moment: counts and days up to it, sorted by id.

    ``orders_U``: days with an order. ``age_U``: days since the first; ``recency_U``: days since the
    last. ``mean_value_U``: money a day with an order.
    """

    moment: datetime
    user_ids: tuple[str, ...]
    orders_U: Floats
    age_U: Floats
    recency_U: Floats
    mean_value_U: Floats

    @property
    def usual_gap_U(self) -> Floats:
        """Mean days between two orders; NaN with one order."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(
                self.orders_U > 1, (self.age_U - self.recency_U) / (self.orders_U - 1), np.nan
            )


@dataclass(frozen=True)
class Outcome:
    """Of the days after a moment: whether a user bought within 28, and what they spent in 90.

    ``value_U``: NaN where the data ends before."""

    returned_U: npt.NDArray[np.bool_]
    value_U: Floats


def read_orders(snapshot: Snapshot, threads: int) -> Orders:
    """The purchases of a snapshot; returns are not deducted."""
    with connect(snapshot.path, config={"threads": threads}) as connection:
        rows = connection.execute(
            "SELECT user_id, date_diff('day', event_at, $as_of::TIMESTAMP) AS day, "
            f"sum(coalesce(value, 0)) AS value FROM {snapshot.counted('events')} "
            "WHERE event_type = 'purchase' AND event_at < $as_of::TIMESTAMP "
            "GROUP BY ALL ORDER BY user_id, day DESC",
            {"as_of": snapshot.as_of},
        ).fetchnumpy()
    user_ids, user_R = np.unique(rows["user_id"].astype(object), return_inverse=True)
    return Orders(
        snapshot.as_of,
        tuple(user_ids),
        user_R.astype(np.int64),
        rows["day"].astype(np.int64),
        np.asarray(rows["value"], np.float64),
    )


def users_at(orders: Orders, days_before: int) -> Users:
    """What was known so many days before ``as_of``."""
    before_R = orders.day_R > days_before
    user_R, day_R = orders.user_R[before_R], orders.day_R[before_R] - days_before
    known_U, first_U, count_U = np.unique(user_R, return_index=True, return_counts=True)
    last_U = first_U + count_U - 1
    spent_U = np.bincount(user_R, orders.value_R[before_R], len(orders.user_ids))[known_U]
    return Users(
        orders.as_of - timedelta(days=days_before),
        tuple(orders.user_ids[user] for user in known_U),
        count_U.astype(np.float64),
        day_R[first_U].astype(np.float64),
        day_R[last_U].astype(np.float64),
        spent_U / count_U,
    )


def outcome_after(orders: Orders, users: Users, days_before: int) -> Outcome:
    """What these users did afterwards. ``days_before``: of ``users_at``, at least 28."""
    place = {user_id: place for place, user_id in enumerate(orders.user_ids)}
    rows_U = np.array([place[user_id] for user_id in users.user_ids], np.int64)
    after_R = days_before - orders.day_R + 1  # 1 is the first day after the moment
    soon_R = (after_R >= 1) & (after_R <= RETURN_DAYS)
    within_R = (after_R >= 1) & (after_R <= VALUE_DAYS)
    size = len(orders.user_ids)
    returned = np.bincount(orders.user_R[soon_R], minlength=size) > 0
    value = np.bincount(orders.user_R[within_R], orders.value_R[within_R], size).astype(np.float64)
    if days_before < VALUE_DAYS:
        value = np.full(size, np.nan)
    return Outcome(returned[rows_U], value[rows_U])
