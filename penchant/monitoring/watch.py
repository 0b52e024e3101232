"""Stage ``watch-drift``: write what monitoring finds in a snapshot, and alert on what is new."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from penchant.alerts.alert import Alert, send
from penchant.artifacts import ReleaseManifest, Snapshot
from penchant.artifacts.monitoring import (
    Against,
    DriftTest,
    FeatureShift,
    Finding,
    Freshness,
    ListsChange,
    MonitoringRecord,
    ServedQuality,
)
from penchant.encryption.duckdb_connection import connect
from penchant.errors import UsageError
from penchant.monitoring import lists
from penchant.monitoring.days import REFERENCE_DAYS, Days
from penchant.monitoring.drift_tests import drift_tests
from penchant.monitoring.events import event_series
from penchant.monitoring.freshness import freshness
from penchant.monitoring.lists import lists_change
from penchant.monitoring.served import Served
from penchant.monitoring.shifts import LIMIT, feature_shifts
from penchant.quality.views import add_view
from penchant.releases.release import MANIFEST, on_disk
from penchant.settings import Settings

NEEDED = ("events", "items", "users")
OF_SERVED = ("impressions", "outcomes", "user_lifecycle")
LISTED = 5  # findings in an alert


@dataclass(frozen=True)
class WatchReport:
    """``unchanged``: the record was there already. ``alerted``: findings that the record before
    doesn't have."""

    record: MonitoringRecord
    unchanged: bool
    alerted: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        record = self.record
        return {
            "snapshot_id": record.snapshot_id,
            "release_id": record.release_id,
            "status": "unchanged" if self.unchanged else "watched",
            "tests": len(record.tests),
            "findings": [each.text for each in record.findings],
            "alerted": list(self.alerted),
            "untested": record.untested,
        }

    def summary(self) -> str:
        record = self.record
        head = (
            f"{record.snapshot_id}: {len(record.tests)} quantities of {record.watched_days} days "
            f"against {record.reference_days}, {len(record.findings)} findings"
        )
        return "\n".join([head, *(f"  {each.text}" for each in record.findings)])


def watch_drift(settings: Settings, snapshot_id: str) -> WatchReport:
    """Watch a snapshot beside the live release, once.

    Without a feedback log, a release or a snapshot before, what needs it is left out, and the
    record says so. Raises UsageError for a snapshot that did not pass its checks or lacks a mart.
    """
    snapshot = Snapshot.checked(settings, snapshot_id)
    release = _live_manifest(settings)
    key = MonitoringRecord.key(snapshot_id, release.id if release else None)
    path = MonitoringRecord.path(settings, key)
    if path.exists():
        return WatchReport(MonitoringRecord.read(path), unchanged=True, alerted=())
    before = MonitoringRecord.last(settings)
    record = _record(settings, snapshot, release, before)
    record.write(path)
    MonitoringRecord.newest(settings).flip(key)
    known = {each.name for each in before.findings} if before else set()
    new = [each for each in record.findings if each.name not in known]
    if new:
        send(settings, _alert(record, new, key))
    return WatchReport(record, unchanged=False, alerted=tuple(each.name for each in new))


def _record(
    settings: Settings,
    snapshot: Snapshot,
    release: ReleaseManifest | None,
    before: MonitoringRecord | None,
) -> MonitoringRecord:
    days = Days.since(_last_watched(before, snapshot.as_of), snapshot.as_of)
    families = (before.families if before else {}) | {
        each.id: each.manifest.ranker.family for each in on_disk(settings)
    }
    missing: dict[str, str] = {}
    with connect(settings.home, config={"threads": settings.threads}) as connection:
        _add_views(connection, snapshot, NEEDED)
        series = event_series(connection, days)
        quality: list[ServedQuality] = []
        if _has_served(connection, snapshot):
            served = Served(connection, days, families)
            series += list(served.series())
            quality = list(served.quality())
        else:
            missing["served"] = "no impression of a release in the snapshot"
        tests, untested = drift_tests(series)
        shifts = tuple(_shifts(connection, settings, snapshot, release, missing))
        ages = tuple(freshness(connection, settings, snapshot, release))
        change = lists_change(connection, settings, release.id) if release else None
    if change is None:
        missing["lists"] = "needs two releases with lists"
    return MonitoringRecord(
        snapshot_id=snapshot.id,
        release_id=release.id if release else None,
        as_of=snapshot.as_of,
        watched_days=days.watched,
        reference_days=REFERENCE_DAYS,
        tests=tests,
        untested=missing | untested,
        shifts=shifts,
        served=tuple(quality),
        freshness=ages,
        lists=change,
        families=families,
        findings=tuple(findings(tests, shifts, ages, change)),
    )


def findings(
    tests: Sequence[DriftTest],
    shifts: Sequence[FeatureShift],
    ages: Sequence[Freshness],
    change: ListsChange | None,
) -> Iterator[Finding]:
    """What a person should look at."""
    for test in tests:
        if test.drifted:
            yield Finding(name=test.name, text=f"{test.name}: {test.change}")
    for shift in shifts:
        if shift.stability_index > LIMIT:
            name = f"{shift.view}.{shift.column}"
            yield Finding(
                name=f"{name} against {shift.against}",
                text=f"{name}: PSI {shift.stability_index:.2f} from {shift.against} "
                f"snapshot {shift.snapshot_id}",
            )
    for age in ages:
        if age.stale:
            text = f"{age.name}: {age.hours:.0f} h old, at most {age.limit_hours:.0f} h expected"
            yield Finding(name=f"{age.name}: stale", text=text)
    if change is not None and change.category_index > lists.LIMIT:
        yield Finding(
            name="lists: categories",
            text=f"lists: PSI {change.category_index:.2f} of their categories from {change.before}",
        )


def _alert(record: MonitoringRecord, new: Sequence[Finding], key: str) -> Alert:
    listed = "; ".join(each.text for each in new[:LISTED])
    more = f"; and {len(new) - LISTED} more" if len(new) > LISTED else ""
    return Alert(
        "drift",
        f"{len(new)} new findings in {record.snapshot_id}: {listed}{more}.",
        key=key,
        runbook="the page Monitoring of the console, and the docs of the DAG watch_drift",
    )


def _last_watched(before: MonitoringRecord | None, as_of: datetime) -> datetime | None:
    """The end of the data of an earlier record; one of the same data is repeated."""
    return before.as_of if before is not None and before.as_of < as_of else None


def _live_manifest(settings: Settings) -> ReleaseManifest | None:
    path = settings.releases / str(settings.live_release.current()) / MANIFEST
    return ReleaseManifest.read(path) if path.exists() else None


def _add_views(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, names: Sequence[str]
) -> None:
    for name in names:
        if not snapshot.mart(name).exists():
            raise UsageError(
                f"snapshot {snapshot.id} has no mart {name}", "run `penchant build` again"
            )
        add_view(connection, name, snapshot.mart(name))


def _has_served(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> bool:
    if not all(snapshot.mart(name).exists() for name in OF_SERVED):
        return False
    _add_views(connection, snapshot, OF_SERVED)
    counted = connection.execute("select count(release_id) from impressions").fetchall()
    return bool(counted[0][0])


def _shifts(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    snapshot: Snapshot,
    release: ReleaseManifest | None,
    missing: dict[str, str],
) -> Iterator[FeatureShift]:
    pointer = settings.live_snapshot
    previous = pointer.previous() if pointer.current() == snapshot.id else None
    wanted: dict[Against, str | None] = {
        "previous": previous,
        "training": release.snapshot_id if release else None,
    }
    for against, snapshot_id in wanted.items():
        if snapshot_id is None or snapshot_id == snapshot.id:
            missing[f"features against {against}"] = "no other snapshot"
            continue
        try:
            earlier = Snapshot.open(settings, snapshot_id)
        except UsageError:
            missing[f"features against {against}"] = f"{snapshot_id} was removed"
            continue
        yield from feature_shifts(connection, snapshot, earlier, against)
