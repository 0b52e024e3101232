"""Planted drift is found within a day; quiet days raise no alarm."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from simulated_days import PLANTED, RELEASES, World, plant

from penchant.artifacts.monitoring import MonitoringRecord
from penchant.monitoring import watch
from penchant.monitoring.drift_tests import benjamini_hochberg, drift_tests
from penchant.monitoring.series import Distribution, Share
from penchant.monitoring.watch import watch_drift
from penchant.settings import Settings

FAMILY = SimpleNamespace(ranker=SimpleNamespace(family="lambdamart"))


@pytest.fixture(autouse=True)
def releases(monkeypatch: pytest.MonkeyPatch) -> None:
    served = [SimpleNamespace(id=each, manifest=FAMILY) for each in RELEASES]
    monkeypatch.setattr(watch, "on_disk", lambda settings: served)


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=7, days=37)


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_drift_is_found_and_alerted_within_a_day(
    settings: Settings, world: World, kind: str
) -> None:
    tables = world.tables(37)
    plant(kind, tables, world)
    report = watch_drift(settings, world.write(settings, tables))
    assert PLANTED[kind][1] in {each.name for each in report.record.findings}
    (alert,) = (settings.home / "alerts" / "alerts.jsonl").read_text().splitlines()
    assert json.loads(alert)["kind"] == "drift"


def test_quiet_day_raises_no_alarm_and_is_watched_once(settings: Settings, world: World) -> None:
    snapshot_id = world.write(settings, world.tables(36))
    report = watch_drift(settings, snapshot_id)
    assert report.record.findings == () and not report.unchanged
    assert {each.by for each in report.record.served} == {"family", "segment"}
    (family,) = (each for each in report.record.served if each.by == "family")
    assert family.calibration == pytest.approx(1.0, abs=0.15)
    assert len(family.tenths) == 10 and family.tenths[0].clicked < family.tenths[9].clicked
    assert watch_drift(settings, snapshot_id).unchanged
    assert not (settings.home / "alerts").exists()
    assert MonitoringRecord.last(settings) == report.record


@pytest.mark.long
def test_at_most_one_false_alarm_in_thirty_quiet_days(settings: Settings) -> None:
    world = World(seed=8, days=60)
    reports = [
        watch_drift(settings, world.write(settings, world.tables(day))) for day in range(31, 61)
    ]
    assert sum(bool(each.record.findings) for each in reports) <= 1


def test_alarm_is_not_repeated_while_it_lasts(settings: Settings, world: World) -> None:
    for day in (36, 37):
        tables = world.tables(day)
        plant("stale", tables, world)
        report = watch_drift(settings, world.write(settings, tables))
        assert [each.name for each in report.record.findings] == [PLANTED["stale"][1]]
    assert report.alerted == ()


def test_days_since_the_last_record_are_watched_together(settings: Settings, world: World) -> None:
    watch_drift(settings, world.write(settings, world.tables(33)))
    assert watch_drift(settings, world.write(settings, world.tables(36))).record.watched_days == 3


def test_data_that_ends_before_the_last_record(settings: Settings, world: World) -> None:
    """A corrected file, or a clock that stepped back."""
    watch_drift(settings, world.write(settings, world.tables(36)))
    record = watch_drift(settings, world.write(settings, world.tables(35))).record
    assert record.watched_days == 1
    assert all(each.hours >= 0 for each in record.freshness)


def test_no_feedback_log_and_no_snapshot_before(settings: Settings, world: World) -> None:
    tables = world.tables(36)
    tables.impressions = tables.impressions[:0]
    tables.outcomes = tables.outcomes[:0]
    record = watch_drift(settings, world.write(settings, tables)).record
    assert record.served == () and record.findings == ()
    assert record.untested["served"] == "no impression of a release in the snapshot"
    assert record.untested["features against previous"] == "no other snapshot"
    assert record.untested["lists"] == "needs two releases with lists"


def test_one_user_is_too_few_to_test(settings: Settings, world: World) -> None:
    tables = world.tables(36)
    tables.events = tables.events[tables.events["user_id"] == "u1"]
    tables.impressions = tables.impressions[tables.impressions["user_id"] == "u1"]
    record = watch_drift(settings, world.write(settings, tables)).record
    assert record.tests == () and "events.category_1" in record.untested


def test_features_are_compared_with_the_snapshot_before(
    settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penchant.quality.drift.MIN_ROWS", 100)
    watch_drift(settings, world.write(settings, world.tables(35)))
    world.spend_U = world.spend_U * 3
    try:
        record = watch_drift(settings, world.write(settings, world.tables(36))).record
    finally:
        world.spend_U = world.spend_U / 3
    (found,) = (each.name for each in record.findings)
    assert found == "user_statistics.spend_28d against previous"


def test_benjamini_hochberg_rejects_up_to_the_last_p_value_below_its_line() -> None:
    rejected = benjamini_hochberg([0.041, 0.001, 0.027, 0.9, 0.012], 0.05)
    assert rejected.tolist() == [False, True, True, False, True]
    assert benjamini_hochberg([], 0.05).tolist() == []


def test_small_difference_is_no_drift_however_certain() -> None:
    rows_D = np.full(29, 1_000_000)
    hits_D = np.array([105_000, *np.full(28, 100_000)])
    (test,), _ = drift_tests([Share("clicked", "outcomes", hits_D, rows_D)])
    assert test.p_value < 1e-6 and not test.drifted


def test_day_with_few_rows_is_not_tested() -> None:
    counts_DB = np.full((29, 2), 500)
    counts_DB[0] = [99, 0]
    series = Distribution("placement", "predictions", "psi", counts_DB, ("home", "cart"))
    assert drift_tests([series]) == ((), {"placement": "99 rows in the watched days, needs 100"})
