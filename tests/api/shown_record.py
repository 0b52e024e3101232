"""A record with one of everything, for what shows it."""

from datetime import datetime

from penchant.artifacts.monitoring import (
    DriftTest,
    FeatureShift,
    Finding,
    Freshness,
    MonitoringRecord,
    ScoreBin,
    ServedQuality,
)
from penchant.settings import Settings

SNAPSHOT, RELEASE = "s-20180102-000000000001", "r-000000000001"


def write_record(settings: Settings) -> MonitoringRecord:
    record = MonitoringRecord(
        snapshot_id=SNAPSHOT,
        release_id=RELEASE,
        as_of=datetime(2018, 1, 2),
        watched_days=1,
        reference_days=28,
        tests=(
            DriftTest(
                name="events.category_1",
                group="features",
                measure="psi",
                value=0.5,
                expected=0.02,
                p_value=1e-6,
                drifted=True,
                change="TEA: 0.0% of rows, 20.0% before",
            ),
        ),
        untested={"lists": "needs two releases with lists"},
        shifts=(
            FeatureShift(
                view="user_statistics",
                column="spend_28d",
                against="previous",
                snapshot_id=SNAPSHOT,
                stability_index=0.01,
            ),
        ),
        served=(
            ServedQuality(
                by="family",
                name="lambdamart",
                impressions=1000,
                clicks=50,
                conversions=5,
                click_rate={"mean": 0.05, "low": 0.04, "high": 0.06},
                calibration=0.9,
                tenths=(ScoreBin(score=0.05, clicked=0.04),),
            ),
        ),
        freshness=(Freshness(name="events", hours=2.0, limit_hours=48.0),),
        lists=None,
        families={RELEASE: "lambdamart"},
        findings=(Finding(name="events.category_1", text="TEA vanished"),),
    )
    key = MonitoringRecord.key(SNAPSHOT, RELEASE)
    record.write(MonitoringRecord.path(settings, key))
    MonitoringRecord.newest(settings).flip(key)
    return record
