"""Stage ``check-deadline``: has a checked snapshot waited too long for its release?"""

from datetime import UTC, datetime, timedelta

from penchant.alerts.alert import Alert, send
from penchant.artifacts import ReleaseManifest
from penchant.errors import NothingToDo
from penchant.settings import Settings


def check_deadline(settings: Settings, now: datetime | None = None) -> Alert:
    """Send an alert once for a snapshot that is not served by its deadline.

    Raises NothingToDo while everything is in time.
    """
    now = now or datetime.now(UTC)
    snapshot_id = settings.live_snapshot.current()
    if snapshot_id is None or served(settings) == snapshot_id:
        raise NothingToDo("the live release is of the live snapshot", "nothing")
    # the pointer was replaced when the snapshot passed its checks
    checked = datetime.fromtimestamp(settings.live_snapshot.path.stat().st_mtime, UTC)
    deadline = checked + timedelta(hours=settings.release_hours)
    if now < deadline:
        raise NothingToDo(f"the release of {snapshot_id} is due at {deadline:%F %T} UTC", "nothing")
    alert = Alert(
        "no-release",
        f"snapshot {snapshot_id} passed its checks at {checked:%F %T} UTC and has no release yet, "
        f"{settings.release_hours:g} h later.",
        key=snapshot_id,
        tier="tier-1",
        runbook="the last runs of materialize_features, train_families and publish_vectors",
    )
    send(settings, alert)
    return alert


def served(settings: Settings) -> str | None:
    """The snapshot of the live release."""
    path = settings.releases / str(settings.live_release.current()) / "release.json"
    return ReleaseManifest.read(path).snapshot_id if path.exists() else None
