"""How old what is served is, by the end of the snapshot's data. The wall clock is of no use where
the data is of last year."""

from collections.abc import Iterator
from datetime import datetime

import duckdb

from penchant.artifacts import ReleaseManifest, Snapshot
from penchant.artifacts.monitoring import Freshness
from penchant.errors import UsageError
from penchant.monitoring.shifts import expires, feature_marts, time_of
from penchant.quality.views import quoted
from penchant.settings import Settings

DAY = 24.0
EVENTS_HOURS = 48.0  # as the check of the mart: a weekend may have none


def freshness(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    snapshot: Snapshot,
    release: ReleaseManifest | None,
) -> Iterator[Freshness]:
    """Of the events, the feature views that expire, the online features and the live release."""
    last = connection.execute("select max(event_at) from events").fetchall()[0][0]
    if last is not None:
        yield _age("events", snapshot.as_of, last, EVENTS_HOURS)
    for mart in feature_marts(snapshot):
        if expires(mart) and snapshot.mart(mart.name).exists():
            newest = connection.execute(
                f"select max({quoted(time_of(mart))}) from read_parquet(?)",
                [str(snapshot.mart(mart.name))],
            ).fetchall()[0][0]
            if newest is not None:
                yield _age(f"features of {mart.name}", snapshot.as_of, newest, DAY)
    online = settings.live_features.current()
    if (ended := _data_end(settings, online)) is not None:
        yield _age("online features", snapshot.as_of, ended, DAY)
    trained = release.snapshot_id if release else None
    if (ended := _data_end(settings, trained)) is not None:
        yield _age("release", snapshot.as_of, ended, DAY + settings.release_hours)


def _age(name: str, as_of: datetime, newest: datetime, limit_hours: float) -> Freshness:
    """0 for what is newer than the snapshot: an older one was made live again."""
    hours = max((as_of - newest).total_seconds() / 3600, 0.0)
    return Freshness(name=name, hours=round(hours, 2), limit_hours=limit_hours)


def _data_end(settings: Settings, snapshot_id: str | None) -> datetime | None:
    """None for a snapshot that is not there, or not any more."""
    if snapshot_id is None:
        return None
    try:
        return Snapshot.open(settings, snapshot_id).as_of
    except UsageError:
        return None
