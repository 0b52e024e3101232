"""Stage ``check-deadline``: does a checked snapshot wait too long for its release, or a person for
the end of an erasure?"""

from datetime import UTC, datetime, timedelta

from penchant.alerts.alert import Alert, send
from penchant.artifacts import ReleaseManifest
from penchant.errors import NothingToDo
from penchant.settings import Settings
from penchant.subjects import Subjects

ERASURE_DAYS = 30  # from a request to its end: a month, GDPR article 12(3)
WARNING_DAYS = 7  # before


def check_deadline(settings: Settings, now: datetime | None = None) -> list[Alert]:
    """Send an alert once for a snapshot that is not served by its deadline, and for each erasure
    whose legal deadline is near.

    Raises NothingToDo while everything is in time.
    """
    now = now or datetime.now(UTC)
    alerts = [*_late_release(settings, now), *_late_erasures(settings, now)]
    if not alerts:
        raise NothingToDo("no release and no erasure is late", "nothing")
    for alert in alerts:
        send(settings, alert)
    return alerts


def _late_release(settings: Settings, now: datetime) -> list[Alert]:
    snapshot_id = settings.live_snapshot.current()
    if snapshot_id is None or served(settings) == snapshot_id:
        return []
    # the pointer was replaced when the snapshot passed its checks
    checked = datetime.fromtimestamp(settings.live_snapshot.path.stat().st_mtime, UTC)
    if now < checked + timedelta(hours=settings.release_hours):
        return []
    return [
        Alert(
            "no-release",
            f"snapshot {snapshot_id} passed its checks at {checked:%F %T} UTC and has no release "
            f"yet, {settings.release_hours:g} h later.",
            key=snapshot_id,
            tier="tier-1",
            runbook="the last runs of materialize_features, train_families and publish_vectors",
        )
    ]


def _late_erasures(settings: Settings, now: datetime) -> list[Alert]:
    found = []
    for request in Subjects(settings).requests():
        due = request.requested_at.replace(tzinfo=UTC) + timedelta(days=ERASURE_DAYS)
        is_near = now >= due - timedelta(days=WARNING_DAYS)
        if request.forgets and request.state != "complete" and is_near:
            text = f"erasure {request.id} must be complete by {due:%F}: it is {request.state}."
            runbook = "the last runs of process_subject_requests"
            found.append(Alert("erasure-due", text, request.id, tier="tier-1", runbook=runbook))
    return found


def served(settings: Settings) -> str | None:
    """The snapshot of the live release."""
    path = settings.releases / str(settings.live_release.current()) / "release.json"
    return ReleaseManifest.read(path).snapshot_id if path.exists() else None
