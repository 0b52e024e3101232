"""What a DAG should work on, and whether that is done."""

import json

import pytest
from records import model_selection

from penchant.artifacts import CheckResults, ModelSelection, SnapshotDescription
from penchant.artifacts.audience import AudienceRecord
from penchant.artifacts.demand import DemandRecord
from penchant.artifacts.monitoring import MonitoringRecord
from penchant.artifacts.retention import RetentionRecord
from penchant.artifacts.search import SearchRecord
from penchant.errors import NothingToDo, UsageError
from penchant.reconciliation import stages
from penchant.reconciliation.reconcile import reconcile
from penchant.reconciliation.stages import (
    checked,
    materialized,
    only_deferred_waits,
    resolve,
    selected,
    trained,
)
from penchant.settings import Settings
from penchant.storage import write_json

FIRST, SECOND = "s-20180102-000000000001", "s-20180102-000000000002"


def batch(settings: Settings, source: str, number: int) -> str:
    """Land a batch without data; return its name."""
    name = f"{source}/events/{number}"
    path = settings.landing / name / "batch.json"
    path.parent.mkdir(parents=True)
    fields = {"source": source, "table": "events", "sha256": str(number)}
    path.write_text(json.dumps(fields | {"original_name": str(number), "landed_at": ""}))
    return name


def snapshot(settings: Settings, snapshot_id: str, *landed: str) -> None:
    description = SnapshotDescription(id=snapshot_id, as_of="2018-01-02", landed=landed)
    description.write(settings.snapshots / snapshot_id / "snapshot.json")


@pytest.fixture(autouse=True)
def no_event_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read batches without their data."""
    monkeypatch.setattr(stages, "read_landing", FakeLanding)


class FakeLanding:
    def __init__(self, settings: Settings) -> None:
        from penchant.building.landed import Batch

        found = [json.loads(path.read_text()) for path in settings.landing.glob("*/*/*/*.json")]
        fields = Batch.__dataclass_fields__
        self.batches = [Batch(**{name: each.get(name, 0) for name in fields}) for each in found]


def test_snapshot_lacks_a_landed_batch(settings: Settings) -> None:
    snapshot(settings, FIRST, batch(settings, "files", 1))
    settings.live_snapshot.flip(FIRST)
    assert only_deferred_waits(settings)
    batch(settings, "files", 2)
    assert not only_deferred_waits(settings)
    assert checked(settings, FIRST) and not checked(settings, SECOND)


@pytest.mark.parametrize("source", ["feedback", "insights"])
def test_feedback_and_predictions_wait_for_the_next_snapshot(
    settings: Settings, source: str
) -> None:
    snapshot(settings, FIRST, batch(settings, "files", 1))
    settings.live_snapshot.flip(FIRST)
    batch(settings, source, 2)
    assert only_deferred_waits(settings)


def test_rejected_snapshot_is_not_checked_again(settings: Settings) -> None:
    batch(settings, "files", 1)
    snapshot(settings, FIRST)
    assert not checked(settings, FIRST)
    CheckResults(snapshot_id=FIRST, passed=False).write(settings.snapshots / FIRST / "checks.json")
    assert checked(settings, FIRST)


def test_features_are_done_with_their_training_sets(settings: Settings) -> None:
    snapshot(settings, FIRST)
    settings.live_features.flip(FIRST)
    assert not materialized(settings, FIRST)
    (settings.snapshots / FIRST / "training_sets").mkdir()
    assert materialized(settings, FIRST)
    assert not materialized(settings, SECOND)


def test_families_are_trained_while_features_are_written(settings: Settings) -> None:
    snapshot(settings, FIRST)
    settings.live_snapshot.flip(FIRST)
    with pytest.raises(NothingToDo):
        resolve(settings, "train_families")
    (settings.snapshots / FIRST / "training_sets").mkdir()
    assert resolve(settings, "train_families").snapshot_id == FIRST
    settings.live_features.flip(FIRST)
    snapshot(settings, SECOND)
    settings.live_snapshot.flip(SECOND)
    assert resolve(settings, "train_families").snapshot_id == FIRST


def test_first_selection_is_not_the_end_of_training(settings: Settings) -> None:
    snapshot(settings, FIRST)
    settings.live_features.flip(FIRST)
    assert selected(settings) is None
    model_selection(snapshot_id=FIRST).write(ModelSelection.path(settings, FIRST))
    assert selected(settings) == FIRST
    assert not trained(settings, FIRST)


def test_insights_wait_for_the_release_of_all_families(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot(settings, FIRST)
    settings.live_features.flip(FIRST)
    model_selection(snapshot_id=FIRST).write(ModelSelection.path(settings, FIRST))
    monkeypatch.setattr(stages, "published", lambda settings, snapshot_id: True)
    with pytest.raises(NothingToDo):
        resolve(settings, "refresh_insights")
    monkeypatch.setattr(stages, "trained", lambda settings, snapshot_id: True)
    assert not resolve(settings, "refresh_insights").done
    for use in (DemandRecord, RetentionRecord, SearchRecord):
        use.live(settings).flip(FIRST)
    assert not resolve(settings, "refresh_insights").done
    AudienceRecord.live(settings).flip(FIRST)
    assert resolve(settings, "refresh_insights").done


def test_snapshot_is_watched_again_beside_another_release(settings: Settings) -> None:
    settings.live_features.flip(FIRST)
    assert not resolve(settings, "watch_drift").done
    key = MonitoringRecord.key(FIRST, None)
    write_json(MonitoringRecord.path(settings, key), {})
    assert resolve(settings, "watch_drift").done
    settings.live_release.flip("r-000000000001")
    assert not resolve(settings, "watch_drift").done


def test_dag_without_input_has_nothing_to_do(settings: Settings) -> None:
    with pytest.raises(NothingToDo, match="train_families has no input yet"):
        resolve(settings, "train_families")
    with pytest.raises(UsageError, match="unknown DAG 'train'"):
        resolve(settings, "train")


def test_failing_dag_is_woken_ever_less_often(settings: Settings) -> None:
    settings.live_snapshot.flip(FIRST)
    woken = []
    for call in range(1, 20):
        try:
            woken.append(reconcile(settings, "materialize_features").calls)
            assert woken[-1] == call
        except NothingToDo:
            pass
    assert woken == [1, 2, 4, 8, 16]
    snapshot(settings, FIRST)
    settings.live_features.flip(FIRST)
    (settings.snapshots / FIRST / "training_sets").mkdir()
    with pytest.raises(NothingToDo, match="is done"):
        reconcile(settings, "materialize_features")
    settings.live_snapshot.flip(SECOND)
    assert reconcile(settings, "materialize_features").calls == 1
