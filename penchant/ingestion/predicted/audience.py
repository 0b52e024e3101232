"""``launch_audiences``: the best users of each new item."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa

from penchant.artifacts.audience import AUDIENCES, AudienceRecord
from penchant.encryption import parquet as pq
from penchant.ingestion.landing.contract import Column, Contract
from penchant.ingestion.predicted.table import InsightTable, published_by, table_of

MOST_USERS = 100  # of an item; the published audience has more


def launch_audiences(folder: Path, as_of: datetime) -> pa.Table:
    """A row per new item and user, with the user's place in the item's audience."""
    audiences = pq.read_table(folder / AUDIENCES, columns=["item_id", "user_ids"]).to_pylist()
    rows = [
        {"item_id": each["item_id"], "user_id": user_id, "ranked_at": as_of, "place": place}
        for each in audiences
        for place, user_id in enumerate(each["user_ids"][:MOST_USERS], start=1)
    ]
    return table_of(LAUNCH_AUDIENCES.contract, rows)


LAUNCH_AUDIENCES = InsightTable(
    Contract(
        table="launch_audiences",
        columns=(
            Column("item_id", "VARCHAR"),
            Column("user_id", "VARCHAR"),
            Column("ranked_at", "TIMESTAMP", may_be_ahead=True),
            Column("place", "BIGINT", minimum=1),
        ),
        key=("item_id", "user_id", "ranked_at"),
        user_column="user_id",
    ),
    published_by(AudienceRecord),
    launch_audiences,
)
