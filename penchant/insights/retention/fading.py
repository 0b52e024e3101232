"""Users who are fading against their own pace, and the interest that fades.

A user is fading if they have several orders and, at the pace of these, a silence as long as the
present one would be improbable. Time since the last order alone finds those who left long ago, or
never came often.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penchant.artifacts import Snapshot
from penchant.artifacts.retention import FadingAccuracy
from penchant.encryption.duckdb_connection import connect
from penchant.insights.retention.bg_nbd import BgNbd
from penchant.insights.retention.history import RETURN_DAYS, Floats, Users

LEAST_ORDERS = 4
IMPROBABLE = 0.05
LONGEST_DAYS = 91  # of silence: then a user has left, which no alert can change


def fading(model: BgNbd, users: Users) -> np.ndarray:
    """Whether each user is fading."""
    return (
        (users.orders_U >= LEAST_ORDERS)
        & (model.silence(users) < IMPROBABLE)
        & (users.recency_U <= LONGEST_DAYS)
    )


def fading_accuracy(
    model: BgNbd, users: Users, returned_U: np.ndarray, orders_after_U: Floats
) -> FadingAccuracy:
    """Of the alert at an earlier moment. ``orders_after_U``: in the 28 days after it."""
    named_U = fading(model, users)
    count = int(named_U.sum())
    longest = np.argsort(-users.recency_U, kind="stable")[:count]
    pace_U = users.orders_U / np.maximum(users.age_U - users.recency_U, RETURN_DAYS) * RETURN_DAYS
    if not count:
        return FadingAccuracy(
            users=0,
            stayed_away=0.0,
            stayed_away_of_all=float((~returned_U).mean()),
            stayed_away_by_recency=0.0,
            orders_before=0.0,
            orders_after=0.0,
            orders_before_by_recency=0.0,
        )
    return FadingAccuracy(
        users=count,
        stayed_away=float((~returned_U[named_U]).mean()),
        stayed_away_of_all=float((~returned_U).mean()),
        stayed_away_by_recency=float((~returned_U[longest]).mean()),
        orders_before=float(pace_U[named_U].mean()),
        orders_after=float(orders_after_U[named_U].mean()),
        orders_before_by_recency=float(pace_U[longest].mean()),
    )


@dataclass(frozen=True)
class FadedInterest:
    """``trend``: the change of its share, below 0."""

    category: str
    trend: float


def faded_interests(
    snapshot: Snapshot, user_ids: Sequence[str], threads: int
) -> dict[str, FadedInterest]:
    """The interest of each user whose share in the portrait falls most; absent where none falls."""
    if not snapshot.mart("user_portrait").exists() or not user_ids:
        return {}
    with connect(snapshot.path, config={"threads": threads}) as connection:
        rows = connection.execute(
            """
            WITH listed AS (
                SELECT user_id, unnest(interests) AS category, unnest(interest_trends) AS trend
                FROM read_parquet($portraits)
                WHERE feature_at = $as_of::TIMESTAMP AND list_contains($users, user_id)
            )
            SELECT user_id, arg_min(category, trend), min(trend) FROM listed
            GROUP BY user_id HAVING min(trend) < 0
            """,
            {
                "portraits": str(snapshot.mart("user_portrait")),
                "as_of": snapshot.as_of,
                "users": list(user_ids),
            },
        ).fetchall()
    return {user_id: FadedInterest(category, trend) for user_id, category, trend in rows}
