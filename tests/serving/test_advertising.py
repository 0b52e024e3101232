"""Ads as they are asked for: of the plan, under its caps and budgets, whoever serves them."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from penchant.api.app import create_app
from penchant.artifacts import AdPlanRecord, PlannedCampaign
from penchant.feedback.log import FeedbackLog
from penchant.serving.advertising.advertiser import Advertiser
from penchant.serving.service import RecommendationService
from penchant.settings import Settings

ONE = "s-20180102-000000000001"
NOON = datetime(2026, 1, 1, 12)


@pytest.fixture
def planned(served_once: Any) -> Settings:
    """u3 may see c1 twice and c2 once, u4 c1 once; c1 has money for three."""
    settings = served_once.settings
    (settings.home / "ads" / "shown.db").unlink(missing_ok=True)
    write_plan(settings)
    return settings


def write_plan(settings: Settings) -> Path:
    folder = settings.home / "ads" / ONE
    folder.mkdir(parents=True, exist_ok=True)
    campaign = PlannedCampaign(
        impressions=4.5,
        spent=4.5,
        budget=3.0,
        price=1.0,
        value=10.0,
        cap=2.0,
        responses=2.0,
        budget_price=0.0,
    )
    plan = {
        "user_id": ["u4", "u3", "u3", "u5"],
        "ad_id": ["c1", "c1", "c2", "c1"],
        "impressions": [0.5, 2.0, 1.0, 2.0],
        "probability": [0.5, 0.5, 0.25, 0.5],
    }
    pq.write_table(pa.table(plan), folder / "plan.parquet")
    record = AdPlanRecord(
        snapshot_id=ONE,
        run_id="logistic_response-1",
        users=3,
        worth=0.0,
        campaigns={"c1": campaign, "c2": campaign.model_copy(update={"budget": 30.0})},
        attention=40,
        ad_attention=4,
        curve=tuple((hour + 1) / 24 for hour in range(24)),
    )
    record.write(folder / "plan.json")
    return folder / "plan.json"


def advertiser(settings: Settings) -> Advertiser:
    return Advertiser(settings, RecommendationService(settings))


def shown(settings: Settings, user_id: str, k: int = 10, at: datetime = NOON) -> list[str]:
    return [ad.ad_id for ad in advertiser(settings).select(user_id, k, at).ads]


def test_shows_an_ad_exactly_as_often_as_planned(planned: Settings) -> None:
    assert [shown(planned, "u3") for _ in range(3)] == [["c1", "c2"], ["c1"], []]
    assert shown(planned, "nobody") == []
    assert shown(planned, "u3", at=datetime(2026, 1, 2, 12)) == ["c1", "c2"], "another day"


def test_respects_a_budget_over_all_users(planned: Settings) -> None:
    found = [shown(planned, user, 1) for user in ("u3", "u4", "u5", "u5")]
    assert sum(ads.count("c1") for ads in found) == 3


def test_respects_caps_under_concurrency(planned: Settings) -> None:
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(shown, planned, "u3", 1) for _ in range(24)]
        found = [ad for one in asked for ad in one.result()]
    assert sorted(found) == ["c1", "c1", "c2"]


@pytest.mark.parametrize(("budget", "later"), [(24.0, []), (2400.0, ["c1"])])
def test_throttles_campaigns_that_spend_too_fast(
    planned: Settings, budget: float, later: list[str]
) -> None:
    """Two in the first hour: twice what a budget of 24 has for it, little of one of 2,400."""
    plan = planned.home / "ads" / ONE / "plan.json"
    record = AdPlanRecord.read(plan)
    paced = {"budget": budget, "budget_price": 4.9}
    campaigns = record.campaigns | {"c1": record.campaigns["c1"].model_copy(update=paced)}
    record.model_copy(update={"campaigns": campaigns}).write(plan)
    early = datetime(2026, 1, 1, 0, 30)
    assert shown(planned, "u5", 1, early) == shown(planned, "u5", 1, early) == ["c1"]
    assert shown(planned, "u4", 1, datetime(2026, 1, 1, 1, 30)) == later


def test_logs_ads_over_http(planned: Settings) -> None:
    client = TestClient(create_app(planned))
    answer = client.get("/v1/ads", params={"user_id": "u3", "k": 2}).json()
    assert [ad["ad_id"] for ad in answer["ads"]] == ["c1", "c2"]
    assert answer["policy"] == "ads by logistic_response-1"
    log = FeedbackLog.of(planned)
    log.seal()
    rows = [json.loads(line) for path in log.sealed("impressions") for line in path.open()]
    own = [row for row in rows if row["slate_id"] == answer["slate_id"]]
    assert [row["ad_id"] for row in own] == ["c1", "c2"] and own[0]["item_id"] is None
    assert client.get("/v1/ads", params={"user_id": "u3", "k": 11}).status_code == 422


def test_rejects_requests_without_a_plan(planned: Settings) -> None:
    AdPlanRecord.path(planned, ONE).unlink()
    answer = TestClient(create_app(planned)).get("/v1/ads", params={"user_id": "u3"})
    assert answer.status_code == 503
    assert "penchant plan-ads" in answer.json()["remedy"]
