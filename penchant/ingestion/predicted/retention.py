"""``user_returns``: the predictions of each user."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa

from penchant.artifacts.retention import USERS, RetentionRecord
from penchant.encryption import parquet as pq
from penchant.ingestion.landing.contract import Column, Contract
from penchant.ingestion.predicted.table import InsightTable, published_by, times


def user_returns(folder: Path, as_of: datetime) -> pa.Table:
    """A user's predictions."""
    names = ["user_id", "return_probability", "expected_value", "alive_probability", "fading"]
    users = pq.read_table(folder / USERS, columns=names)
    return users.append_column("predicted_at", times(as_of, len(users)))


USER_RETURNS = InsightTable(
    Contract(
        table="user_returns",
        columns=(
            Column("user_id", "VARCHAR"),
            Column("predicted_at", "TIMESTAMP", may_be_ahead=True),
            Column("return_probability", "DOUBLE", minimum=0, maximum=1),
            Column("expected_value", "DOUBLE"),
            Column("alive_probability", "DOUBLE", minimum=0, maximum=1),
            Column("fading", "BOOLEAN"),
        ),
        key=("user_id", "predicted_at"),
        user_column="user_id",
    ),
    published_by(RetentionRecord),
    user_returns,
)
