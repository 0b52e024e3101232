"""The plan of training: only missing runs, found without importing a family."""

import subprocess
import sys

import pytest

from penchant.errors import NothingToDo, UsageError
from penchant.settings import Settings
from training.commands import plan_training as stage
from training.commands import train as train_stage
from training.commands.plan_training import FIRST, finished_run, plan_training
from training.commands.train import run_id_for, train

Planted = tuple[Settings, str]


def families(planted: Planted) -> list[str]:
    return [subcommand[2] for subcommand in plan_training(*planted, FIRST).subcommands]


def test_families_without_a_run_are_planned(planted: Planted) -> None:
    assert families(planted) == list(FIRST)
    train(*planted, "item_cf")
    assert families(planted) == ["popularity", "personal_frequency", "matrix_factorization"]
    (first, *_) = plan_training(*planted, FIRST).subcommands
    assert first == ["train", "--family", "popularity", "--snapshot", planted[1], "--no-track"]


def test_second_plan_computes_no_run_id(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    train(*planted, "item_cf")
    planned = families(planted)
    monkeypatch.setattr(train_stage, "run_id_for", None)
    assert families(planted) == planned


def test_family_with_nothing_to_learn_from_is_not_planned_again(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*_: object) -> None:
        raise NothingToDo("no campaigns", "land campaigns")

    settings, snapshot_id = planted
    monkeypatch.setattr("training.families.item_cf.Model.fit", fit)
    with pytest.raises(NothingToDo):
        train(settings, snapshot_id, "item_cf")
    assert "item_cf" not in families(planted)
    other = settings.model_copy(update={"seed": 8})
    assert "item_cf" in families((other, snapshot_id))


@pytest.mark.parametrize("change", ["code", "seed"])
def test_change_of_code_or_settings_plans_again(
    planted: Planted, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    settings, snapshot_id = planted
    train(settings, snapshot_id, "item_cf")
    assert families(planted) == ["popularity", "personal_frequency", "matrix_factorization"]
    if change == "seed":
        assert families((settings.model_copy(update={"seed": 8}), snapshot_id)) == list(FIRST)
    else:
        monkeypatch.setattr(stage, "code_hash", lambda _: "edited")
        monkeypatch.setattr(train_stage, "run_id_for", lambda *_: "item_cf-edited")
        assert families(planted) == list(FIRST)


def test_combination_is_planned_again_when_a_member_is_trained(planted: Planted) -> None:
    settings, snapshot_id = planted
    train(settings, snapshot_id, "popularity")
    before = stage.cached_run_id(settings, snapshot_id, "fusion")
    assert before == run_id_for(settings, snapshot_id, "fusion")
    train(settings, snapshot_id, "item_cf")
    after = stage.cached_run_id(settings, snapshot_id, "fusion")
    assert after == run_id_for(settings, snapshot_id, "fusion") != before


def test_first_plan_computes_no_run_id(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_stage, "run_id_for", None)
    assert families(planted) == list(FIRST)


def test_unknown_snapshot_is_rejected_and_unknown_family_has_no_run(planted: Planted) -> None:
    with pytest.raises(UsageError):
        finished_run(planted[0], "s-20200101-aaaaaaaaaaaa", "popularity")
    assert finished_run(*planted, "crystal_ball") is None


def test_planning_and_selection_import_no_torch() -> None:
    stages = "training.commands.plan_training, training.commands.select_models"
    code = f"import sys, {stages}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
