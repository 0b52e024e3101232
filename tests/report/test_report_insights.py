"""The report's sections on insights: what is published, and nothing of what isn't."""

from datetime import date, datetime

from penchant.artifacts.campaign import CampaignPlanRecord, PlannedOffer
from penchant.artifacts.retention import (
    Decile,
    FadingAccuracy,
    RetentionRecord,
    ReturnAccuracy,
)
from penchant.report.insights import insights_sections
from penchant.settings import Settings

SNAPSHOT = "s-20240401-0123456789ab"
CI = {"mean": 0.5, "low": 0.25, "high": 0.75}
MONEY = {"mean": 1234.0, "low": -10.0, "high": 2000.0}


def retention() -> RetentionRecord:
    accuracy = ReturnAccuracy(
        auc=CI,
        log_loss=CI,
        brier=0.1,
        calibration_error=0.1,
        lift=2.0,
        deciles=(Decile(predicted=0.5, came=CI),),
    )
    alert = dict.fromkeys(FadingAccuracy.model_fields, 1)
    return RetentionRecord(
        snapshot_id=SNAPSHOT,
        users=1000,
        fading=7,
        tested_at=datetime(2024, 3, 1),
        tested_users=900,
        return_share=0.5,
        return_model="bg_nbd",
        returns={"bg_nbd": accuracy},
        value_tested_at=None,
        value_model="bg_nbd",
        value={},
        fading_accuracy=FadingAccuracy.model_validate(alert),
    )


def campaign(name: str, starts: date) -> CampaignPlanRecord:
    offer = PlannedOffer(
        kind="<b>", items=3, users=40, discounts={"0.1": 40}, cost=MONEY, added=MONEY
    )
    return CampaignPlanRecord(
        name=name,
        snapshot_id=SNAPSHOT,
        brief={},
        goal="offered_sales",
        budget=100.0,
        starts_on=starts,
        ends_on=date(2024, 5, 1),
        users=40,
        held_out=10,
        cost=MONEY,
        added=MONEY,
        worth=MONEY,
        budget_price=0.5,
        by_budget={"0.5": 60.0, "1": 90.0},
        saturation=0.3,
        saturation_found=0.85,
        elasticity=None,
        detectable=2.0,
        offers={"tea": offer},
        compared_offers=1,
        compared_users=1,
        compared={},
    )


def test_nothing_is_shown_of_a_home_without_insights(settings: Settings) -> None:
    assert insights_sections(settings) == []


def test_returns_and_newest_campaigns_are_shown(settings: Settings) -> None:
    RetentionRecord.publish_once(settings, SNAPSHOT, lambda folder: retention())
    for name, month in (("march", 3), ("april", 4)):
        record = campaign(name, date(2024, month, 1))
        path = CampaignPlanRecord.path(settings, SNAPSHOT, name)
        path.parent.mkdir(parents=True)
        record.write(path)
    returns, first, second = insights_sections(settings)
    assert "7 of 1,000 users are fading" in returns and "<svg" in returns
    assert "Campaign april" in first and "Campaign march" in second
    assert "1,234 [-10, 2,000]" in first and "offered sales" in first
    assert "budget 50" in first and "&lt;b&gt;" in first and "<b>" not in first
