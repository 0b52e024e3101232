"""What each DAG should work on: the newest state, and whether that is done.

Asset events only wake a DAG. Airflow loses or merges events that arrive during an active run, so
the id in an event may be outdated; the pointers and records in the home are not.
"""

from collections.abc import Callable
from dataclasses import dataclass

from penchant.artifacts import ModelSelection, ReleaseManifest, RunFailure, Snapshot
from penchant.artifacts.audience import AudienceRecord
from penchant.artifacts.demand import DemandRecord
from penchant.artifacts.monitoring import MonitoringRecord
from penchant.artifacts.retention import RetentionRecord
from penchant.artifacts.search import SearchRecord
from penchant.building.build import identify
from penchant.building.landed import has_landed, read_landing
from penchant.errors import NothingToDo, UsageError
from penchant.settings import Settings
from training.commands.plan_training import cached_run_id, finished_run
from training.names import MAIN_JOB

DEFERRED = ("feedback/", "insights/")  # sources that trigger no build


@dataclass(frozen=True)
class Stage:
    """``newest``: id of the snapshot to work on, None if there is none yet. ``done``: whether the
    DAG has nothing to do for a snapshot."""

    newest: Callable[[Settings], str | None]
    done: Callable[[Settings, str], bool]


@dataclass(frozen=True)
class Resolved:
    """The snapshot that a DAG should work on."""

    dag_id: str
    snapshot_id: str
    done: bool

    def as_dict(self) -> dict[str, object]:
        return {"dag_id": self.dag_id, "snapshot_id": self.snapshot_id, "done": self.done}

    def summary(self) -> str:
        return f"{self.dag_id}: {self.snapshot_id} is {'done' if self.done else 'to do'}"


def resolve(settings: Settings, dag_id: str, snapshot_id: str | None = None) -> Resolved:
    """The given snapshot, or else the newest one that a DAG can work on.

    Raises UsageError for an unknown DAG, NothingToDo while the stage before has no result.
    """
    stage = STAGES.get(dag_id)
    if stage is None:
        raise UsageError(f"unknown DAG {dag_id!r}", f"use one of {', '.join(STAGES)}")
    found = snapshot_id or stage.newest(settings)
    if found is None:
        raise NothingToDo(
            f"{dag_id} has no input yet", "nothing: it runs when the DAG before it has a result"
        )
    return Resolved(dag_id, found, stage.done(settings, found))


def landed(settings: Settings) -> str | None:
    """The id of the snapshot of all landed batches, built or not."""
    return identify(settings, read_landing(settings)) if has_landed(settings) else None


def checked(settings: Settings, snapshot_id: str) -> bool:
    """Whether a snapshot is live, or its checks rejected it."""
    if settings.live_snapshot.current() == snapshot_id:
        return True
    try:
        results = Snapshot.open(settings, snapshot_id).check_results()
    except UsageError:
        return False
    return results is not None and not results.passed


def only_deferred_waits(settings: Settings) -> bool:
    """Whether the live snapshot has all other batches.

    Feedback lands every few minutes, and predictions after each release: a build of either would
    lead to the next. They wait for the next snapshot.
    """
    live = settings.live_snapshot.current()
    if live is None:
        return False
    built = set(Snapshot.open(settings, live).description.landed)
    waiting = {batch.name for batch in read_landing(settings).batches} - built
    return all(name.startswith(DEFERRED) for name in waiting)


def materialized(settings: Settings, snapshot_id: str) -> bool:
    """Whether a snapshot's features are live and its training sets exist."""
    if settings.live_features.current() != snapshot_id:
        return False
    return Snapshot.open(settings, snapshot_id).training_set("any").parent.is_dir()


def learnable(settings: Settings) -> str | None:
    """The live snapshot if it has its training sets: its features may still be written. Otherwise
    the snapshot with live features."""
    live = settings.live_snapshot.current()
    if live and Snapshot.open(settings, live).training_set("any").parent.is_dir():
        return live
    return settings.live_features.current()


def trained(settings: Settings, snapshot_id: str) -> bool:
    """Whether every family of the main job was selected among: it has its run, or it failed with
    this code."""
    selection = selection_of(settings, snapshot_id)
    if selection is None:
        return False
    compared = {row.family: row.run_id for row in selection.leaderboard}
    return all(
        _is_settled(settings, snapshot_id, family, compared.get(family)) for family in MAIN_JOB
    )


def _is_settled(settings: Settings, snapshot_id: str, family: str, compared: str | None) -> bool:
    run = finished_run(settings, snapshot_id, family)
    if run is not None:
        return run.run_id == compared
    path = RunFailure.path(settings.runs / snapshot_id, family)
    if not path.exists():
        return False
    return RunFailure.read(path).run_id == cached_run_id(settings, snapshot_id, family)


def published(settings: Settings, snapshot_id: str) -> bool:
    """Whether the live release is that of a snapshot's selection."""
    selection, release = selection_of(settings, snapshot_id), live_manifest(settings)
    if selection is None or release is None:
        return False
    return (release.snapshot_id, release.selection_id) == (snapshot_id, selection.selection_id)


def selected(settings: Settings) -> str | None:
    """The snapshot with live features, if models were selected on it."""
    snapshot_id = settings.live_features.current()
    return snapshot_id if snapshot_id and selection_of(settings, snapshot_id) else None


def selection_of(settings: Settings, snapshot_id: str) -> ModelSelection | None:
    path = ModelSelection.path(settings, snapshot_id)
    return ModelSelection.read(path) if path.exists() else None


def live_manifest(settings: Settings) -> ReleaseManifest | None:
    release_id = settings.live_release.current()
    path = settings.releases / str(release_id) / "release.json"
    return ReleaseManifest.read(path) if path.exists() else None


def released(settings: Settings) -> str | None:
    """The snapshot with live features, if the release of all its families is live: a first release,
    which is published while families are trained, starts nothing that could slow them down."""
    snapshot_id = selected(settings)
    if snapshot_id is None or not published(settings, snapshot_id):
        return None
    return snapshot_id if trained(settings, snapshot_id) else None


def refreshed(settings: Settings, snapshot_id: str) -> bool:
    """Whether every use of interests has its result for a snapshot, but those of reviews and
    competitors, which a shop may lack."""
    uses = (DemandRecord, RetentionRecord, SearchRecord, AudienceRecord)
    return all(use.live(settings).current() == snapshot_id for use in uses)


def watched(settings: Settings, snapshot_id: str) -> bool:
    """Whether a snapshot was watched beside the live release."""
    key = MonitoringRecord.key(snapshot_id, settings.live_release.current())
    return MonitoringRecord.path(settings, key).exists()


def never(settings: Settings, snapshot_id: str) -> bool:
    """Of a DAG whose result depends on more than its snapshot: its task finds what is done."""
    return False


STAGES: dict[str, Stage] = {
    "build_snapshot": Stage(landed, checked),
    "materialize_features": Stage(lambda settings: settings.live_snapshot.current(), materialized),
    "train_families": Stage(learnable, trained),
    "publish_vectors": Stage(selected, published),
    "learn_policy": Stage(selected, never),
    "evaluate_policy": Stage(selected, never),
    "refresh_insights": Stage(released, refreshed),
    "watch_drift": Stage(lambda settings: settings.live_features.current(), watched),
    "evaluate_experiment": Stage(lambda settings: settings.live_snapshot.current(), never),
}
"""By DAG; a test compares them with the files in ``dags/``."""
