"""What was derived from a person's data: everything made from the snapshots that contain it."""

import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from penchant.artifacts import RunRecord
from penchant.errors import UsageError
from penchant.privacy.mentions import mentions
from penchant.publishing.removal import remove_releases
from penchant.releases.release import on_disk
from penchant.settings import Settings
from penchant.storage import held_unless_in_use

BY_SNAPSHOT = (
    "snapshots",
    "online",
    "runs",
    "ads",
    "insights",
    "federated",
    "run_ids",
    "site/data_docs",
)
MAY_MENTION = ("airflow/logs", "platform/logs", "site", "simulation", "policies", "experiments")


def snapshots_on_disk(settings: Settings) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in settings.snapshots.glob("s-*")))


def still_live(settings: Settings, affected: Iterable[str]) -> list[str]:
    """What still serves the person's data: names of pointers with their snapshot."""
    affected = set(affected)
    release_id = settings.live_release.current()
    releases = {each.id: each.snapshot_id for each in on_disk(settings)}
    live = {
        "snapshot": settings.live_snapshot.current(),
        "features": settings.live_features.current(),
        "release": releases.get(release_id) if release_id else None,
    }
    return [f"{name} ({snapshot})" for name, snapshot in live.items() if snapshot in affected]


def remove_derived(settings: Settings, affected: Sequence[str]) -> dict[str, int]:
    """Remove everything made from these snapshots; place -> number of directories and files.

    Idempotent: what is gone already is not counted. Raises UsageError while another process works
    with one of the snapshots: what it writes would outlive the removal.
    """
    with ExitStack() as holds:
        for snapshot_id in affected:
            lock = settings.snapshot_lock(snapshot_id)
            if not holds.enter_context(held_unless_in_use(lock)):
                raise UsageError(
                    f"another process works with snapshot {snapshot_id}",
                    "wait until it ends, or end it; then run the same command again",
                )
        return remove_held(settings, affected)


def folders_of(settings: Settings, affected: Sequence[str]) -> list[Path]:
    """The folders of these snapshots, and of what was made from them."""
    releases = [each.id for each in on_disk(settings) if each.snapshot_id in affected]
    return [
        *(settings.releases / each for each in releases),
        *(settings.home / place / snapshot for place in BY_SNAPSHOT for snapshot in affected),
        settings.home / "by_hand",
    ]


def remove_held(settings: Settings, affected: Sequence[str]) -> dict[str, int]:
    """``remove_derived`` for a caller that holds the locks of the snapshots."""
    releases = [each for each in on_disk(settings) if each.snapshot_id in affected]
    removed = {
        "releases": remove_releases(settings, [each.id for each in releases]),
        "reports": _remove(settings.site / "reports" / f"{each.id}.html" for each in releases),
    }
    for place in BY_SNAPSHOT:
        removed[place] = _remove(settings.home / place / snapshot for snapshot in affected)
    removed["by_hand"] = _remove([settings.home / "by_hand"])
    removed["mlflow"] = _remove_from_mlflow(settings, affected)
    return {place: count for place, count in removed.items() if count}


def remove_mentioning(settings: Settings, user_ids: Sequence[str]) -> dict[str, int]:
    """Remove policies, experiments, logs and pages that mention one of these people."""
    removed = {}
    for place in MAY_MENTION:
        found = [
            file
            for file in (settings.home / place).rglob("*")
            if file.is_file() and mentions(file, user_ids)
        ]
        removed[place] = _remove(found)
    return {place: count for place, count in removed.items() if count}


def models_of(settings: Settings, snapshot_id: str) -> list[tuple[str, str]]:
    """(family, run id) of the runs of a snapshot."""
    paths = sorted((settings.runs / snapshot_id).glob("*/run.json"))
    records = [RunRecord.read(path) for path in paths]
    return [(record.family, record.run_id) for record in records]


def _remove(paths: Iterable[Path]) -> int:
    removed = 0
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
        else:
            continue
        removed += 1
    return removed


def _remove_from_mlflow(settings: Settings, affected: Sequence[str]) -> int:
    """Delete the runs of these snapshots from MLflow, and their artifacts; return their number."""
    if settings.tracking is None and not (settings.home / "mlflow" / "mlflow.db").exists():
        return 0
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when mlflow is imported
    from mlflow.artifacts import list_artifacts
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from mlflow.tracking import MlflowClient

    client = MlflowClient(settings.mlflow_uri)
    experiments = [each.experiment_id for each in client.search_experiments()]
    found = [
        run
        for snapshot_id in affected
        for run in client.search_runs(experiments, f"tags.snapshot_id = '{snapshot_id}'")
    ]
    for run in found:
        if list_artifacts(run.info.artifact_uri):
            get_artifact_repository(run.info.artifact_uri).delete_artifacts()
        client.delete_run(run.info.run_id)
    return len(found)
