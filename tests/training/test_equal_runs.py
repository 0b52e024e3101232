"""A snapshot with the content of an earlier one adopts its runs."""

import shutil

import pytest

from penchant.artifacts import MartDescription, RunRecord, Snapshot
from penchant.errors import NothingToDo
from penchant.settings import Settings
from training.commands.plan_training import finished_run, plan_training
from training.commands.train import train

Planted = tuple[Settings, str]

MARTS = ("items", "policy_log", "sequences", "user_statistics", "users")
OTHER = "s-20240401-ba9876543210"
TRAINED = ("popularity", "item_cf")


def describe(settings: Settings, snapshot_id: str, **hashes: str) -> None:
    """Describe a snapshot's marts; ``hashes``: of those that are not as planted."""
    snapshot = Snapshot.open(settings, snapshot_id)
    marts = {
        name: MartDescription(rows=1, content_hash=hashes.get(name, "as planted")) for name in MARTS
    }
    described = snapshot.description.model_copy(update={"id": snapshot_id, "marts": marts})
    described.write(snapshot.path / "snapshot.json")


def second_snapshot(settings: Settings, snapshot_id: str, **hashes: str) -> str:
    shutil.copytree(settings.snapshots / snapshot_id, settings.snapshots / OTHER)
    describe(settings, OTHER, **hashes)
    return OTHER


@pytest.fixture
def trained(planted: Planted) -> Planted:
    describe(*planted)
    for family in TRAINED:
        train(*planted, family)
    return planted


def planned(settings: Settings, snapshot_id: str, families: tuple[str, ...] = TRAINED) -> list[str]:
    plan = plan_training(settings, snapshot_id, families)
    return [subcommand[2] for subcommand in plan.subcommands]


def test_snapshot_of_equal_content_trains_nothing(trained: Planted) -> None:
    settings, first_id = trained
    second_id = second_snapshot(*trained, user_statistics="edited")
    assert planned(settings, second_id) == []
    for family in TRAINED:
        first, second = (finished_run(settings, each, family) for each in (first_id, second_id))
        assert first is not None and second is not None
        assert (second.run_id, second.snapshot_id) == (first.run_id, second_id)
        runs = [settings.runs / each / first.run_id for each in (first_id, second_id)]
        files = [run / "ranked_lists.parquet" for run in runs]
        assert files[0].samefile(files[1])
        assert RunRecord.read(RunRecord.path(runs[0])).snapshot_id == first_id
    shutil.rmtree(settings.runs / second_id)
    assert train(settings, second_id, "item_cf").status == "unchanged"


@pytest.mark.parametrize("mart", ["items", "sequences", "users"])
def test_other_content_is_trained_on(trained: Planted, mart: str) -> None:
    settings, _ = trained
    assert planned(settings, second_snapshot(*trained, **{mart: "edited"})) == list(TRAINED)


def test_nothing_to_learn_is_adopted_by_equal_content_only(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*_: object) -> None:
        raise NothingToDo("no impressions", "serve")

    settings, _ = planted
    describe(*planted)
    monkeypatch.setattr("training.families.bandit.Model.fit", fit)
    with pytest.raises(NothingToDo):
        train(*planted, "bandit")
    other = second_snapshot(*planted)
    assert planned(settings, other, ("bandit",)) == []
    shutil.rmtree(settings.runs / other)
    describe(settings, other, policy_log="edited")
    assert planned(settings, other, ("bandit",)) == ["bandit"]
