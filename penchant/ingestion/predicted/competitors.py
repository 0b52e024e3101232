"""Matched items, price indices, gaps of the assortment and aspects, by competitor."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from penchant.artifacts.competitors import ASPECTS, GAPS, MATCHES, PRICES, CompetitorsRecord
from penchant.encryption import parquet as pq
from penchant.ingestion.landing.contract import Column, Contract
from penchant.ingestion.predicted.table import InsightTable, published_by, times

COMPETITOR = Column("competitor", "VARCHAR")
COMPARED_AT = Column("compared_at", "TIMESTAMP", may_be_ahead=True)


def competitor_matches(folder: Path, as_of: datetime) -> pa.Table:
    """Our items and theirs that are the same, with at least the least confidence of the record."""
    least = CompetitorsRecord.read(folder / "competitors.json").least_confidence
    matches = pq.read_table(folder / MATCHES)
    kept = matches.filter(pc.greater_equal(matches["confidence"], least)).drop_columns(["title"])
    return kept.append_column("compared_at", times(as_of, len(kept)))


def competitor_prices(folder: Path, as_of: datetime) -> pa.Table:
    """The price index of each category, and of the shop, whose category is empty."""
    prices = pq.read_table(folder / PRICES)
    place = prices.column_names.index("category")
    named = prices.set_column(place, "category", pc.fill_null(prices["category"], ""))
    return named.append_column("compared_at", times(as_of, len(prices)))


def _whole(name: str) -> Callable[[Path, datetime], pa.Table]:
    """All columns of a published table."""

    def read(folder: Path, as_of: datetime) -> pa.Table:
        rows = pq.read_table(folder / name)
        return rows.append_column("compared_at", times(as_of, len(rows)))

    return read


COMPETITOR_MATCHES = InsightTable(
    Contract(
        table="competitor_matches",
        columns=(
            COMPETITOR,
            Column("item_id", "VARCHAR"),
            COMPARED_AT,
            Column("their_item_id", "VARCHAR"),
            Column("their_title", "VARCHAR"),
            Column("their_price", "DOUBLE", nullable=True, minimum=0),
            Column("price", "DOUBLE", nullable=True, minimum=0),
            Column("confidence", "DOUBLE", minimum=0),
        ),
        key=("competitor", "item_id", "compared_at"),
    ),
    published_by(CompetitorsRecord),
    competitor_matches,
)
COMPETITOR_PRICES = InsightTable(
    Contract(
        table="competitor_prices",
        columns=(
            COMPETITOR,
            Column("category", "VARCHAR"),
            COMPARED_AT,
            Column("items", "BIGINT", minimum=1),
            Column("cheaper", "DOUBLE", minimum=0, maximum=1),
            Column("mean", "DOUBLE", minimum=0),
            Column("low", "DOUBLE", minimum=0),
            Column("high", "DOUBLE", minimum=0),
        ),
        key=("competitor", "category", "compared_at"),
    ),
    published_by(CompetitorsRecord),
    competitor_prices,
)
COMPETITOR_GAPS = InsightTable(
    Contract(
        table="competitor_gaps",
        columns=(
            COMPETITOR,
            Column("item_id", "VARCHAR"),
            COMPARED_AT,
            Column("title", "VARCHAR"),
            Column("brand", "VARCHAR", nullable=True),
            Column("price", "DOUBLE", nullable=True, minimum=0),
            Column("category", "VARCHAR", nullable=True),
            Column("interest", "DOUBLE"),
            Column("score", "DOUBLE"),
        ),
        key=("competitor", "item_id", "compared_at"),
    ),
    published_by(CompetitorsRecord),
    _whole(GAPS),
)
COMPETITOR_ASPECTS = InsightTable(
    Contract(
        table="competitor_aspects",
        columns=(
            COMPETITOR,
            Column("language", "VARCHAR"),
            Column("aspect", "VARCHAR"),
            COMPARED_AT,
            Column("our_reviews", "BIGINT", minimum=1),
            Column("their_reviews", "BIGINT", minimum=1),
            Column("ours", "DOUBLE", minimum=0, maximum=1),
            Column("theirs", "DOUBLE", minimum=0, maximum=1),
            Column("difference", "DOUBLE", minimum=-1, maximum=1),
            Column("low", "DOUBLE", minimum=-1, maximum=1),
            Column("high", "DOUBLE", minimum=-1, maximum=1),
        ),
        key=("competitor", "language", "aspect", "compared_at"),
    ),
    published_by(CompetitorsRecord),
    _whole(ASPECTS),
)
