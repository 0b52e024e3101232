"""Insights that are published without the work: small folders of a snapshot."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from penchant.artifacts.audience import AUDIENCES, AudienceQuality, AudienceRecord
from penchant.artifacts.campaign import PLAN, CampaignPlanRecord, PlannedOffer
from penchant.artifacts.competitors import (
    ASPECTS,
    GAPS,
    MATCHES,
    PRICES,
    CompetitorsRecord,
    CompetitorSummary,
)
from penchant.artifacts.search import SearchQuality, SearchRecord
from penchant.insights.competitors.stage import SCHEMAS
from penchant.settings import Settings

CI = {"mean": 0.5, "low": 0.25, "high": 0.75}


def publish_audience(settings: Settings, snapshot_id: str, audiences: dict[str, list[str]]) -> None:
    """``audiences``: the users of each new item, best first."""
    quality = AudienceQuality(recall_100=CI, recall_500=CI)
    segments = [{"category": "<Tea>", "share": 0.5, "share_of_all": 0.25}]

    def write(folder: Path) -> AudienceRecord:
        rows = [
            {"item_id": item, "title": f"New {item}", "user_ids": users, "segments": segments}
            for item, users in audiences.items()
        ]
        pq.write_table(pa.Table.from_pylist(rows), folder / AUDIENCES)
        return AudienceRecord(
            snapshot_id=snapshot_id,
            users=100,
            items=len(rows),
            launches=40,
            method="learned",
            weights={},
            tested_at=datetime(2024, 3, 4),
            tested_launches=12,
            tested_buyers=60,
            quality={"learned": quality, "random": quality},
            difference=quality,
        )

    AudienceRecord.publish_once(settings, snapshot_id, write)


def publish_comparison(settings: Settings, snapshot_id: str, item_id: str) -> None:
    """``rival`` sells the item for 9, where we ask 10, and a bike."""
    tables: dict[str, list[dict[str, Any]]] = {
        MATCHES: [
            {"competitor": "rival", "their_item_id": f"rival:{number}", "their_title": "Theirs"}
            | {"their_price": 9.0, "item_id": item_id, "title": "Ours", "price": 10.0}
            | {"confidence": confidence}
            for number, confidence in enumerate((0.9, 0.3))
        ],
        PRICES: [
            {"competitor": "rival", "category": category, "items": 1, "cheaper": 1.0}
            | {"mean": 0.9, "low": 0.8, "high": 1.0}
            for category in (None, "Tea")
        ],
        GAPS: [
            {"competitor": "rival", "item_id": "rival:9", "title": "Bike", "brand": None}
            | {"price": 99.0, "category": None, "interest": 0.0, "score": -1e-9}
        ],
        ASPECTS: [
            {"competitor": "rival", "language": "en", "aspect": "fit", "our_reviews": 9}
            | {"their_reviews": 7, "ours": 0.75, "theirs": 0.5, "difference": -0.25}
            | {"low": -0.5, "high": 0.0}
        ],
    }
    summary = CompetitorSummary(
        competitor="rival",
        items=2,
        matched=1,
        priced=1,
        price_index=CI,
        cheaper=1.0,
        gaps=1,
        reviews=7,
        aspects=1,
    )

    def write(folder: Path) -> CompetitorsRecord:
        for name, rows in tables.items():
            pq.write_table(pa.Table.from_pylist(rows, SCHEMAS[name]), folder / name)
        return CompetitorsRecord(
            snapshot_id=snapshot_id, least_confidence=0.6, competitors=(summary,)
        )

    CompetitorsRecord.publish_once(settings, snapshot_id, write)


def publish_search(settings: Settings, snapshot_id: str) -> None:
    """A record with the quality of two orders, without an index."""
    quality = {
        name: SearchQuality(mrr=CI | {"mean": mean}, recall=0.5)
        for name, mean in (("text", 0.3), ("all signals", 0.6))
    }
    record = SearchRecord(
        snapshot_id=snapshot_id,
        items=9,
        words=20,
        learned=1,
        weights={},
        tested_at=datetime(2024, 3, 4),
        queries=100,
        quality=quality,
    )
    SearchRecord.publish_once(settings, snapshot_id, lambda folder: record)


def publish_plan(settings: Settings, snapshot_id: str, users: list[str]) -> None:
    """The first user is held out."""
    offer = PlannedOffer(kind="coupon", items=1, users=1, discounts={"0.1": 1}, cost=CI, added=CI)
    record = CampaignPlanRecord(
        name="spring",
        snapshot_id=snapshot_id,
        brief={},
        goal="sales",
        budget=100.0,
        starts_on=date(2099, 4, 1),
        ends_on=date(2099, 5, 1),
        users=len(users) - 1,
        held_out=1,
        cost=CI,
        added=CI,
        worth=CI,
        budget_price=0.5,
        by_budget={"1": 90.0},
        saturation=0.3,
        saturation_found=0.85,
        elasticity=None,
        detectable=2.0,
        offers={"tea": offer},
        compared_offers=0,
        compared_users=0,
        compared={},
    )
    path = CampaignPlanRecord.path(settings, snapshot_id, record.name)
    path.parent.mkdir(parents=True)
    record.write(path)
    rows = [
        {"user_id": user_id, "offer": "tea", "discount": 0.1, "sent": place > 0}
        | {"propensity": 0.5, "added": 2.0, "cost": 1.0}
        for place, user_id in enumerate(users)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path.parent / PLAN)
