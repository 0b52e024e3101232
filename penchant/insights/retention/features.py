"""Numbers that describe users at a moment: their orders, and the columns of Feast's user views.

The marts behind the views have a row per user and feature time, computed from earlier events only,
so a row at the moment is what Feast's point-in-time join gives.
"""

from dataclasses import dataclass

import numpy as np

from penchant.artifacts import Snapshot
from penchant.encryption.duckdb_connection import connect
from penchant.insights.retention.history import Floats, Users
from penchant.manifest import Mart, read_marts

NUMBERS = {"BIGINT", "BOOLEAN", "DOUBLE", "FLOAT", "INTEGER"}
PREDICTIONS = "insights"  # the feature service of what was predicted
OWN = ("orders", "age", "recency", "mean value", "usual gap", "recency over usual gap")


@dataclass(frozen=True)
class UserFeatures:
    """Feature views of users by mart: their numeric columns."""

    columns: dict[str, tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        return (*OWN, *(f"{m}.{column}" for m, found in self.columns.items() for column in found))


def user_features(snapshot: Snapshot) -> UserFeatures:
    """The numeric features of users alone that the snapshot has."""
    marts = read_marts(snapshot.manifest) if snapshot.manifest.exists() else ()
    return UserFeatures({mart.name: _numbers(mart) for mart in marts if _is_of_users(mart)})


def feature_matrix(
    snapshot: Snapshot, features: UserFeatures, users: Users, threads: int
) -> Floats:
    """features_UF, NaN where unknown; columns as ``features.names``."""
    own = [
        users.orders_U,
        users.age_U,
        users.recency_U,
        users.mean_value_U,
        users.usual_gap_U,
        users.recency_U / users.usual_gap_U,
    ]
    matrices = [np.column_stack(own)]
    with connect(snapshot.path, config={"threads": threads}) as connection:
        for mart, columns in features.columns.items():
            listed = ", ".join(f'cast("{column}" AS DOUBLE) AS "{column}"' for column in columns)
            rows = connection.execute(
                f"SELECT user_id, {listed} FROM read_parquet($mart) "
                "WHERE feature_at = $moment::TIMESTAMP ORDER BY user_id",
                {"mart": str(snapshot.mart(mart)), "moment": users.moment},
            ).fetchnumpy()
            matrices.append(_aligned(users, rows, columns))
    return np.hstack(matrices)


def _aligned(users: Users, rows: dict[str, np.ndarray], columns: tuple[str, ...]) -> Floats:
    """The mart's rows in the order of the users."""
    place = {user_id: row for row, user_id in enumerate(rows["user_id"])}
    row_U = np.array([place.get(user_id, -1) for user_id in users.user_ids], np.int64)
    found_UF = np.full((len(row_U), len(columns)), np.nan)
    for number, column in enumerate(columns):
        values = np.ma.filled(np.ma.asarray(rows[column], np.float64), np.nan)
        found_UF[row_U >= 0, number] = values[row_U[row_U >= 0]]
    return found_UF


def _is_of_users(mart: Mart) -> bool:
    """Whether a mart describes users; predictions of earlier snapshots do not."""
    view = mart.meta.get("feature_view", {})
    predicted = view.get("services") == [PREDICTIONS]
    return view.get("entities") == ["user"] and not predicted and bool(_numbers(mart))


def _numbers(mart: Mart) -> tuple[str, ...]:
    return tuple(
        column.name
        for column in mart.columns
        if column.type in NUMBERS and column.meta.get("online", True)
    )
