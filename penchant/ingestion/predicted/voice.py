"""``item_sentiments``: how favourable the reviews of each item are; ``review_aspects``: what they
are about. Neither quotes anybody."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from penchant.artifacts.voice import ASPECTS, REVIEWS, VoiceRecord
from penchant.encryption import parquet as pq
from penchant.ingestion.landing.contract import Column, Contract
from penchant.ingestion.predicted.table import InsightTable, published_by, table_of, times


def item_sentiments(folder: Path, as_of: datetime) -> pa.Table:
    """A row per item with a review that is neither a copy nor advertising."""
    reviews = pq.read_table(folder / REVIEWS)
    kept = reviews.filter(
        pc.and_(pc.is_null(reviews["copy_of"]), pc.invert(reviews["advertising"]))
    )
    grouped = kept.group_by("item_id").aggregate([("sentiment", "count"), ("sentiment", "mean")])
    return pa.table(
        {
            "item_id": grouped["item_id"],
            "read_at": times(as_of, len(grouped)),
            "reviews": grouped["sentiment_count"],
            "sentiment": grouped["sentiment_mean"],
        }
    )


def review_aspects(folder: Path, as_of: datetime) -> pa.Table:
    """A row per aspect of the shop, whose name is empty, of a category and of an item."""
    names = ["level", "name", "language", "aspect", "reviews", "sentiment", "favourable", "trend"]
    rows = pq.read_table(folder / ASPECTS, columns=names).to_pylist()
    return table_of(
        REVIEW_ASPECTS.contract,
        [row | {"name": row["name"] or "", "read_at": as_of} for row in rows],
    )


ITEM_SENTIMENTS = InsightTable(
    Contract(
        table="item_sentiments",
        columns=(
            Column("item_id", "VARCHAR"),
            Column("read_at", "TIMESTAMP", may_be_ahead=True),
            Column("reviews", "BIGINT", minimum=1),
            Column("sentiment", "DOUBLE", minimum=0, maximum=1),
        ),
        key=("item_id", "read_at"),
    ),
    published_by(VoiceRecord),
    item_sentiments,
)
REVIEW_ASPECTS = InsightTable(
    Contract(
        table="review_aspects",
        columns=(
            Column("level", "VARCHAR", accepted=("shop", "category", "item")),
            Column("name", "VARCHAR"),
            Column("language", "VARCHAR"),
            Column("aspect", "VARCHAR"),
            Column("read_at", "TIMESTAMP", may_be_ahead=True),
            Column("reviews", "BIGINT", minimum=1),
            Column("sentiment", "DOUBLE", minimum=0, maximum=1),
            Column("favourable", "DOUBLE", minimum=0, maximum=1),
            Column("trend", "DOUBLE", nullable=True, minimum=-1, maximum=1),
        ),
        key=("level", "name", "language", "aspect", "read_at"),
    ),
    published_by(VoiceRecord),
    review_aspects,
)
