"""A small synthetic shop: the same seed and sizes give the same bytes on any day.

Users have latent interests in a few categories and habitually buy items again; items differ in
popularity; lower slots get fewer clicks. Logged propensities are exact: each slot of a slate is
drawn independently from a mixture of the popularity and the uniform distribution.

``penchant/ingestion/simulated/`` simulates the shop and its events.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from penchant.errors import UsageError
from penchant.ingestion.landing.arrival import Arrival, Request
from penchant.ingestion.landing.canonical import CONTRACTS
from penchant.ingestion.landing.contract import Contract
from penchant.ingestion.simulated.campaigns import campaigns_of
from penchant.ingestion.simulated.customer_questions import question_rows
from penchant.ingestion.simulated.images import image_rows
from penchant.ingestion.simulated.life import Log, live, mail
from penchant.ingestion.simulated.shop import open_shop

NAME = "simulator"
DEFAULT_SIZES = {"users": 80, "items": 60, "days": 120, "styles": 0}
MAX_DAYS = 600  # so that no event is in the future


def arrivals(request: Request) -> list[Arrival]:
    """Simulate the shop and write one Parquet file per table with rows.

    Raises UsageError for sizes out of bounds.
    """
    sizes = {**DEFAULT_SIZES, **request.sizes}
    unknown = sizes.keys() - DEFAULT_SIZES
    if unknown:
        raise UsageError(
            f"unknown simulator size {min(unknown)!r}", "use users, items, days or styles"
        )
    least = {**dict.fromkeys(sizes, 1), "styles": 0}
    if any(sizes[name] < least[name] for name in sizes) or sizes["days"] > MAX_DAYS:
        raise UsageError(
            f"invalid simulator sizes {sizes}",
            f"use at least 1 for each but styles, and at most {MAX_DAYS} days",
        )
    tables = simulate(request.settings.seed, **sizes)
    return [
        Arrival(contract, _write(contract, tables[contract.table], request.workspace))
        for contract in CONTRACTS
        if tables[contract.table]
    ]


def simulate(
    seed: int, users: int, items: int, days: int, styles: int = 0
) -> dict[str, list[dict]]:
    """Rows of every canonical table, ordered by time."""
    rng, shop, user_rows, item_rows = open_shop(seed, users, items, styles)
    campaigns = campaigns_of(rng, shop, item_rows, days)
    log = Log()
    for user in range(users):
        live(rng, shop, campaigns, user, days, log)
    mail(shop, campaigns, log)
    events = _numbered(log.events, "event_id", "e", "event_at")
    return {
        "users": user_rows,
        "items": item_rows,
        "events": events,
        "impressions": _numbered(log.impressions, "impression_id", "m", "shown_at"),
        "campaigns": [
            {
                "campaign_id": campaign.id,
                "item_id": shop.items[item],
                "kind": campaign.kind,
                "starts_on": campaign.starts,
                "ends_on": campaign.ends,
            }
            for campaign in campaigns
            for item in campaign.items
        ],
        "questions": question_rows(events, dict(zip(shop.items, shop.departments, strict=True))),
        "item_embeddings": image_rows(shop, seed),
        "reviews": sorted(log.reviews, key=lambda row: (row["reviewed_at"], row["user_id"])),
    }


def _numbered(rows: list[dict], column: str, prefix: str, time: str) -> list[dict]:
    """The rows sorted by time (stable), each with an id."""
    ordered = sorted(rows, key=lambda row: row[time])
    return [{column: f"{prefix}{number:07d}", **row} for number, row in enumerate(ordered)]


ARROW_TYPES = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "TIMESTAMP": pa.timestamp("us"),
    "BOOLEAN": pa.bool_(),
    "FLOAT[]": pa.list_(pa.float32()),
}


def _write(contract: Contract, rows: list[dict], folder: Path) -> Path:
    path = folder / f"{contract.table}.parquet"
    schema = pa.schema([(column.name, ARROW_TYPES[column.type]) for column in contract.columns])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path
