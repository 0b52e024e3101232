"""The `compare-competitors` stage: competitors' catalogues and reviews against ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from penchant.artifacts import Snapshot
from penchant.artifacts.competitors import (
    ASPECTS,
    GAPS,
    MATCHES,
    PRICES,
    CompetitorsRecord,
    CompetitorSummary,
)
from penchant.encryption import parquet as pq
from penchant.encryption.duckdb_connection import connect
from penchant.errors import NothingToDo
from penchant.insights.competitors.aspects import aspect_comparison
from penchant.insights.competitors.gaps import gap_rows, interest_by_category, unmatched_of
from penchant.insights.competitors.matching import LEAST_CONFIDENCE, Listing, match, nearest
from penchant.insights.competitors.prices import price_rows
from penchant.insights.search.ranking import paths_of
from penchant.settings import Settings
from penchant.words import words

LEVELS = ("category_1", "category_2", "category_3")
YEAR = "365 days"
TEXT, COUNT, NUMBER = pa.string(), pa.int64(), pa.float64()
SCHEMAS = {
    MATCHES: pa.schema(
        [
            ("competitor", TEXT),
            ("their_item_id", TEXT),
            ("their_title", TEXT),
            ("their_price", NUMBER),
            ("item_id", TEXT),
            ("title", TEXT),
            ("price", NUMBER),
            ("confidence", NUMBER),
        ]
    ),
    PRICES: pa.schema(
        [
            ("competitor", TEXT),
            ("category", TEXT),
            ("items", COUNT),
            ("cheaper", NUMBER),
            ("mean", NUMBER),
            ("low", NUMBER),
            ("high", NUMBER),
        ]
    ),
    GAPS: pa.schema(
        [
            ("competitor", TEXT),
            ("item_id", TEXT),
            ("title", TEXT),
            ("brand", TEXT),
            ("price", NUMBER),
            ("category", TEXT),
            ("interest", NUMBER),
            ("score", NUMBER),
        ]
    ),
    ASPECTS: pa.schema(
        [
            ("competitor", TEXT),
            ("language", TEXT),
            ("aspect", TEXT),
            ("our_reviews", COUNT),
            ("their_reviews", COUNT),
            ("ours", NUMBER),
            ("theirs", NUMBER),
            ("difference", NUMBER),
            ("low", NUMBER),
            ("high", NUMBER),
        ]
    ),
}
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class CompetitorsReport:
    """``repeated``: the comparison was there already."""

    record: CompetitorsRecord
    repeated: bool

    def summary(self) -> str:
        done = "unchanged" if self.repeated else "compared"
        found = "; ".join(
            f"{each.competitor}: {each.matched:,} of {each.items:,} items are ours, price index "
            + (f"{each.price_index['mean']:.2f}" if each.price_index else "unknown")
            for each in self.record.competitors
        )
        return f"{done} {found}"

    def as_dict(self) -> dict[str, Any]:
        return self.record.as_dict()


@dataclass(frozen=True)
class Ours:
    """Our catalogue, reviews with text, pieces sold by item, and interests by category path."""

    listings: list[Listing]
    paths: list[tuple[str, ...]]
    pieces: dict[str, float]
    interest: dict[str, float]
    reviews: Rows


def compare_competitors(settings: Settings, snapshot_id: str) -> CompetitorsReport:
    """Write ``insights/<snapshot>/competitors/``, once, and make it the published comparison.

    Raises NothingToDo for a snapshot without a competitor's catalogue.
    """
    snapshot = Snapshot.checked(settings, snapshot_id)

    def write(folder: Path) -> CompetitorsRecord:
        return write_comparison(settings, snapshot, folder)

    record, repeated = CompetitorsRecord.publish_once(settings, snapshot.id, write)
    return CompetitorsReport(record, repeated)


def write_comparison(settings: Settings, snapshot: Snapshot, folder: Path) -> CompetitorsRecord:
    """Write all files but the record to a folder."""
    catalogue = _rows(snapshot.mart("competitor_items"))
    if not catalogue:
        raise NothingToDo(
            f"snapshot {snapshot.id} has no competitor's catalogue",
            "land one by a mapping with `kind: competitor`, then build again",
        )
    reviews = [
        row for row in _rows(snapshot.mart("competitor_reviews")) if (row["text"] or "").strip()
    ]
    ours = _ours(settings, snapshot)
    tables: dict[str, Rows] = {name: [] for name in SCHEMAS}
    summaries = []
    for competitor in sorted({row["competitor"] for row in catalogue}):
        theirs = [row for row in catalogue if row["competitor"] == competitor]
        said = [row for row in reviews if row["competitor"] == competitor]
        found = _compared(competitor, ours, theirs, said)
        for name, rows in found.items():
            tables[name] += rows
        summaries.append(_summary(competitor, theirs, said, found))
    for name, rows in tables.items():
        pq.write_table(pa.Table.from_pylist(rows, SCHEMAS[name]), folder / name)
    return CompetitorsRecord(
        snapshot_id=snapshot.id,
        least_confidence=LEAST_CONFIDENCE,
        competitors=tuple(summaries),
    )


def _compared(competitor: str, ours: Ours, theirs: Rows, said: Rows) -> dict[str, Rows]:
    listings = [_listing(row) for row in theirs]
    similar = nearest(ours.listings, listings)
    ours_T, confidence_T = match(similar)
    pairs = [
        (listings[at], ours.listings[ours_T[at]], float(confidence_T[at]))
        for at in range(len(listings))
        if ours_T[at] >= 0
    ]
    sure = [(their, our) for their, our, confidence in pairs if confidence >= LEAST_CONFIDENCE]
    names = {
        each.item_id: frozenset(words(f"{each.title} {each.brand or ''} {each.category or ''}"))
        for each in (*ours.listings, *listings)
    }
    return {
        MATCHES: [
            {
                "competitor": competitor,
                "their_item_id": their.item_id,
                "their_title": their.title,
                "their_price": their.price,
                "item_id": our.item_id,
                "title": our.title,
                "price": our.price,
                "confidence": confidence,
            }
            for their, our, confidence in pairs
        ],
        PRICES: price_rows(competitor, sure, ours.pieces),
        GAPS: gap_rows(
            competitor,
            listings,
            unmatched_of(confidence_T, LEAST_CONFIDENCE),
            similar,
            ours.paths,
            ours.interest,
        ),
        ASPECTS: aspect_comparison(
            competitor,
            ours.reviews,
            [row | {"user_id": row["review_id"]} for row in said],
            names,
        ),
    }


def _summary(
    competitor: str, theirs: Rows, said: Rows, found: Mapping[str, Rows]
) -> CompetitorSummary:
    whole = next((row for row in found[PRICES] if row["category"] is None), None)
    return CompetitorSummary(
        competitor=competitor,
        items=len(theirs),
        matched=sum(row["confidence"] >= LEAST_CONFIDENCE for row in found[MATCHES]),
        priced=whole["items"] if whole else 0,
        price_index={name: whole[name] for name in ("mean", "low", "high")} if whole else None,
        cheaper=whole["cheaper"] if whole else None,
        gaps=len(found[GAPS]),
        reviews=len(said),
        aspects=len(found[ASPECTS]),
    )


def _ours(settings: Settings, snapshot: Snapshot) -> Ours:
    items = _rows(snapshot.mart("items"))
    with connect(snapshot.path, config={"threads": settings.threads}) as connection:
        reviewed = f"FROM {snapshot.counted('reviews')} WHERE trim(text) <> ''"
        reviews = (
            connection.sql(reviewed).to_arrow_table().to_pylist()
            if snapshot.mart("reviews").exists()
            else []
        )
        pieces = dict(
            connection.execute(
                "SELECT item_id, sum(coalesce(quantity, 1))::DOUBLE "
                f"FROM {snapshot.counted('events')} WHERE event_type = 'purchase' "
                f"AND event_at >= $as_of::TIMESTAMP - INTERVAL {YEAR} "
                "GROUP BY item_id",
                {"as_of": snapshot.as_of},
            ).fetchall()
        )
    return Ours(
        listings=[_listing(row) for row in items],
        paths=[tuple(paths_of(tuple(row.get(level) for level in LEVELS))) for row in items],
        pieces=pieces,
        interest=interest_by_category(snapshot, settings.threads),
        reviews=reviews,
    )


def _listing(row: Mapping[str, Any]) -> Listing:
    return Listing(
        row["item_id"],
        row["title"] or row["item_id"],
        row.get("brand"),
        row.get("category_1"),
        row.get("price"),
    )


def _rows(path: Path) -> Rows:
    """Rows of a mart; none where the snapshot lacks it."""
    return pq.read_table(path).to_pylist() if path.exists() else []
