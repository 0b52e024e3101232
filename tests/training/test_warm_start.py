"""A family starts from its run on the last cold snapshot, or cold and with a reason."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from planted import AS_OF, SNAPSHOT, plant
from torch import nn

from penchant.artifacts import MartDescription, RunRecord, Snapshot, SubjectRequest, TrainingStart
from penchant.settings import Settings
from penchant.subjects import Subjects
from training.commands import train as train_stage
from training.commands.plan_training import plan_training
from training.commands.run_identity import run_id_of
from training.commands.starting import decide_start, start_of
from training.commands.train import run_id_for, train
from training.configs import config_for
from training.data.histories import read_dataset
from training.fitting.parent import NEW, CannotStartWarm, Parent

FAMILY = "matrix_factorization"
NEXT = "s-20240402-0123456789ab"
AFTER = "s-20240403-0123456789ab"
NEW_ITEM = "a000"  # before all others, so that every item has another row


@pytest.fixture(scope="module")
def cold_once(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with a cold run."""
    home = tmp_path_factory.mktemp("cold")
    settings = Settings(_env_file=None, home=home, seed=7, threads=1, warm_days=7)
    plant(settings)
    describe(settings, SNAPSHOT, AS_OF)
    train(settings, SNAPSHOT, FAMILY)
    return settings


@pytest.fixture
def cold(cold_once: Settings, tmp_path: Path) -> Settings:
    """A copy of it, and the snapshot of the next day, with a new item that all users bought."""
    settings = cold_once.model_copy(update={"home": tmp_path / "home"})
    shutil.copytree(cold_once.home, settings.home)
    add_snapshot(settings, NEXT, AS_OF + timedelta(days=1))
    return settings


def describe(settings: Settings, snapshot_id: str, as_of: datetime) -> None:
    snapshot = Snapshot.open(settings, snapshot_id)
    mart = MartDescription(rows=1, content_hash=snapshot_id)
    marts = dict.fromkeys(("items", "sequences", "users"), mart)
    update = {"id": snapshot_id, "as_of": as_of, "marts": marts, "landed": ("files/events/one",)}
    snapshot.description.model_copy(update=update).write(snapshot.path / "snapshot.json")


def add_snapshot(settings: Settings, snapshot_id: str, as_of: datetime) -> None:
    folder = settings.snapshots / snapshot_id
    shutil.copytree(settings.snapshots / SNAPSHOT, folder)
    items = pq.read_table(folder / "marts/items.parquet").to_pylist()
    items.append({"item_id": NEW_ITEM, "category_1": "Kind 0", "title": "New"})
    pq.write_table(pa.Table.from_pylist(items), folder / "marts/items.parquet")
    sequences = pq.read_table(folder / "marts/sequences.parquet")
    rows = sequences.to_pylist()
    for row in rows:  # the last event before the windows becomes one of the new item
        last = sum(at < AS_OF - timedelta(days=28) for at in row["event_ats"]) - 1
        row["item_ids"][last] = NEW_ITEM
    pq.write_table(pa.Table.from_pylist(rows, sequences.schema), folder / "marts/sequences.parquet")
    describe(settings, snapshot_id, as_of)


def record(settings: Settings, snapshot_id: str) -> RunRecord:
    run_id = run_id_for(settings, snapshot_id, FAMILY)
    return RunRecord.read(RunRecord.path(settings.runs / snapshot_id / run_id))


def why_cold(settings: Settings, snapshot_id: str = NEXT) -> str | None:
    decide_start(settings, snapshot_id)
    config = config_for(settings, FAMILY)
    return start_of(settings, Snapshot.open(settings, snapshot_id), FAMILY, config).why_cold


def test_warm_run_starts_from_the_cold_one_and_has_its_id_in_its_own(cold: Settings) -> None:
    report = train(cold, NEXT, FAMILY)
    run, parent = record(cold, NEXT), record(cold, SNAPSHOT)
    assert (run.parent, run.why_cold) == (parent.run_id, None)
    assert (parent.parent, parent.why_cold) == (None, "no earlier snapshot has cold runs")
    identity = Snapshot.open(cold, NEXT), FAMILY, config_for(cold, FAMILY), cold.seed
    assert report.run_id == run_id_of(*identity, parent=parent.run_id) != run_id_of(*identity)
    assert len(run.curve) < len(parent.curve)  # sweeps
    assert train(cold, NEXT, FAMILY).status == "unchanged"
    assert plan_training(cold, NEXT, (FAMILY,)).subcommands == []


def test_run_after_a_warm_one_starts_from_the_cold_one_too(cold: Settings) -> None:
    train(cold, NEXT, FAMILY)
    add_snapshot(cold, AFTER, AS_OF + timedelta(days=2))
    train(cold, AFTER, FAMILY)
    assert record(cold, AFTER).parent == record(cold, SNAPSHOT).run_id


def test_snapshot_of_equal_content_adopts_the_cold_run(cold: Settings) -> None:
    shutil.rmtree(cold.snapshots / NEXT)
    shutil.copytree(cold.snapshots / SNAPSHOT, cold.snapshots / NEXT)
    assert plan_training(cold, NEXT, (FAMILY,)).subcommands == []
    assert record(cold, NEXT).run_id == record(cold, SNAPSHOT).run_id


def test_killed_warm_fit_is_made_again(cold: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(train_stage.ranking, "evaluate", kill)
        with pytest.raises(KeyboardInterrupt):
            train(cold, NEXT, FAMILY)
    assert train(cold, NEXT, FAMILY).status == "trained"
    assert record(cold, NEXT).parent == record(cold, SNAPSHOT).run_id


def test_without_the_setting_every_run_is_cold(cold: Settings) -> None:
    settings = cold.model_copy(update={"warm_days": 0})
    assert why_cold(settings) is None
    assert not TrainingStart.path(settings.runs / NEXT).exists()
    snapshot = Snapshot.open(settings, NEXT)
    config = config_for(settings, FAMILY)
    assert run_id_for(settings, NEXT, FAMILY) == run_id_of(snapshot, FAMILY, config, settings.seed)


def test_parent_that_was_pruned_makes_the_run_cold(cold: Settings) -> None:
    assert why_cold(cold) is None
    warm_id = run_id_for(cold, NEXT, FAMILY)
    shutil.rmtree(cold.runs / SNAPSHOT)
    assert "has no run of it" in str(why_cold(cold))
    shutil.rmtree(cold.snapshots / SNAPSHOT)
    assert "was removed" in str(why_cold(cold))
    assert train(cold, NEXT, FAMILY).run_id != warm_id
    assert "was removed" in str(record(cold, NEXT).why_cold)


def test_differential_privacy_makes_the_run_cold(cold: Settings) -> None:
    private = cold.model_copy(update={"dp_epsilon": 1.0, "dp_budget": 9.0})
    assert "differential privacy" in str(why_cold(private))


def test_erasure_and_objection_make_the_next_snapshot_cold(cold: Settings) -> None:
    request = Subjects(cold).request("object", "u001", AS_OF)
    assert "don't want to be profiled" in str(why_cold(cold))
    TrainingStart.path(cold.runs / NEXT).unlink()
    erasure = request.model_copy(update={"kind": "erase", "affected": (SNAPSHOT,)})
    SubjectRequest.save(erasure, cold)
    assert "were erased" in str(why_cold(cold))


def test_rows_that_were_removed_make_the_next_snapshot_cold(cold: Settings) -> None:
    snapshot = Snapshot.open(cold, NEXT)
    without = snapshot.description.model_copy(update={"landed": ("files/events/rewritten",)})
    without.write(snapshot.path / "snapshot.json")
    assert "have been removed" in str(why_cold(cold))


def test_cold_fits_are_scheduled_and_start_the_next_warm_ones(cold: Settings) -> None:
    late = "s-20240409-0123456789ab"
    add_snapshot(cold, late, AS_OF + timedelta(days=8))
    assert "more than 7 days older" in str(why_cold(cold, late))
    train(cold, late, FAMILY)
    after = "s-20240410-0123456789ab"
    add_snapshot(cold, after, AS_OF + timedelta(days=9))
    decide_start(cold, after)
    start = TrainingStart.of(cold.runs / after)
    assert start is not None
    assert start.cold == late


def test_family_that_drifted_is_cold_on_the_next_snapshot(cold: Settings) -> None:
    path = RunRecord.path(cold.runs / SNAPSHOT / record(cold, SNAPSHOT).run_id)
    parent = RunRecord.read(path)
    metrics = {"all": {"ndcg@10": {"mean": 1.0, "low": 1.0, "high": 1.0}}}
    parent.model_copy(update={"validation_metrics": metrics}).write(path)
    train(cold, NEXT, FAMILY)
    assert record(cold, NEXT).drifted
    add_snapshot(cold, AFTER, AS_OF + timedelta(days=2))
    assert "have drifted" in str(why_cold(cold, AFTER))


def test_other_code_makes_the_next_snapshot_cold(cold: Settings) -> None:
    path = RunRecord.path(cold.runs / SNAPSHOT / record(cold, SNAPSHOT).run_id)
    RunRecord.read(path).model_copy(update={"code_version": "earlier"}).write(path)
    assert "code of families has changed" in str(why_cold(cold))


class Table(nn.Module):
    """An embedding of items, of which the rare ones share row 0, and a weight."""

    def __init__(self, row_I: list[int]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(max(row_I) + 1, 3)
        self.weight = nn.Parameter(torch.randn(2))
        self.register_buffer("row_I", torch.tensor(row_I))


def test_rows_follow_their_items_and_new_ones_start_from_the_shared_row() -> None:
    before, after = Table([1, 0, 2]), Table([1, 2, 3, 0])  # c, new, b, a
    parent = Parent("cold", before.state_dict(), torch.tensor([2, NEW, 1, 0]))
    parent.continue_in(after, {"embedding.weight": 0})
    rows_RD = before.embedding.weight
    assert torch.equal(after.embedding.weight, rows_RD[[0, 2, 0, 0]])
    assert torch.equal(after.weight, before.weight)
    after.weight = nn.Parameter(torch.zeros(5))
    with pytest.raises(CannotStartWarm, match="weight is of another shape"):
        parent.continue_in(after, {"embedding.weight": 0})


def test_new_item_is_grown_into_the_model(cold: Settings) -> None:
    train(cold, NEXT, FAMILY)
    place = read_dataset(Snapshot.open(cold, NEXT)).item_ids.index(NEW_ITEM)
    run = cold.runs / NEXT / record(cold, NEXT).run_id
    vectors = pq.read_table(run / "item_vectors.parquet").to_pylist()
    assert place == 0
    assert NEW_ITEM in [row["item_id"] for row in vectors]
    assert np.isfinite([row["vector"] for row in vectors]).all()
