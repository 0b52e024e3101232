"""The privacy budget in front of training: spent before anything is learned, and never exceeded."""

import json
from dataclasses import fields

import pytest

from penchant.artifacts import Mechanism, RunFailure, RunRecord
from penchant.errors import DataError, PenchantError, PrivacyRefused, UsageError
from penchant.privacy_ledger import PrivacyLedger
from penchant.settings import Settings
from training.commands.plan_training import GROUPS, plan_training
from training.commands.select_models import select_models
from training.commands.train import train
from training.fitting.capabilities import LearnsPrivately
from training.fitting.factory import default_config, make
from training.names import FAMILIES, PRIVATE
from training.privacy.accounting import epsilon_of

Planted = tuple[Settings, str]


@pytest.fixture
def private(planted: Planted) -> Planted:
    """Settings under which each run spends epsilon 1, and two of them the budget."""
    settings, snapshot_id = planted
    return settings.model_copy(update={"dp_epsilon": 1.0, "dp_budget": 1.5}), snapshot_id


def test_a_run_spends_and_says_so(private: Planted) -> None:
    settings, snapshot_id = private
    report = train(settings, snapshot_id, "popularity")
    (entry,) = PrivacyLedger(settings).entries()
    record = RunRecord.read(RunRecord.path(settings.runs / snapshot_id / report.run_id))
    assert record.privacy == entry.spent
    assert (entry.run_id, entry.family) == (report.run_id, "popularity")
    assert 0.99 < entry.epsilon <= 1 and entry.total_epsilon == entry.epsilon
    assert record.config["privacy"] == {"epsilon": 1.0, "delta": 1e-6}
    assert train(settings, snapshot_id, "popularity").status == "unchanged"
    assert len(PrivacyLedger(settings).entries()) == 1


def test_a_run_that_would_exceed_the_budget_learns_nothing(
    private: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, snapshot_id = private
    train(settings, snapshot_id, "popularity")
    train(settings.model_copy(update={"seed": 1}), snapshot_id, "popularity")
    monkeypatch.setattr("training.commands.train.read_checked", lambda _: pytest.fail("read data"))
    refused = settings.model_copy(update={"seed": 2})
    with pytest.raises(PrivacyRefused, match=r"2 runs spent epsilon 1\.454, .* it would be 1\.8"):
        train(refused, snapshot_id, "popularity")
    assert len(PrivacyLedger(settings).entries()) == 2
    assert RunFailure.read(RunFailure.path(settings.runs / snapshot_id, "popularity")).refused
    with pytest.raises(PrivacyRefused, match="popularity has no run"):
        select_models(refused, snapshot_id)


def test_the_total_is_composed_from_the_mechanisms_of_all_entries(private: Planted) -> None:
    """An entry of an earlier version has a larger total, by Rényi divergences."""
    settings, snapshot_id = private
    settings = settings.model_copy(update={"dp_budget": 8.0})
    train(settings, snapshot_id, "popularity")
    ledger = PrivacyLedger(settings)
    (first,) = ledger.entries()
    steps = Mechanism(noise_multiplier=5.0, sample_rate=0.1, steps=20)
    ledger.append(first.model_copy(update={"mechanisms": (steps,), "total_epsilon": 1.4}))
    train(settings.model_copy(update={"seed": 1}), snapshot_id, "popularity")
    *_, last = ledger.entries()
    composed = epsilon_of([*first.mechanisms, steps, *last.mechanisms], settings.dp_delta)
    assert first.total_epsilon < last.total_epsilon == composed


def test_a_run_that_fails_has_spent(private: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, snapshot_id = private

    def fail(_: object) -> None:
        assert len(PrivacyLedger(settings).entries()) == 1  # on disk before the data is read
        raise PenchantError("killed", "again")

    monkeypatch.setattr("training.commands.train.read_checked", fail)
    with pytest.raises(PenchantError, match="killed"):
        train(settings, snapshot_id, "popularity")
    assert len(PrivacyLedger(settings).entries()) == 1


def test_families_without_support_are_refused_with_the_list(private: Planted) -> None:
    settings, snapshot_id = private
    with pytest.raises(PrivacyRefused, match=f"sasrec can't be .*\n.*{', '.join(PRIVATE)}"):
        train(settings, snapshot_id, "sasrec")
    planned = {
        arguments[2]
        for families in GROUPS.values()
        for arguments in plan_training(settings, snapshot_id, families).subcommands
    }
    assert planned == set(PRIVATE)


def test_runs_without_privacy_are_not_selected_under_it(planted: Planted) -> None:
    settings, snapshot_id = planted
    for family in ("popularity", "item_cf", "user_cf"):
        train(settings, snapshot_id, family)
    private = settings.model_copy(update={"dp_epsilon": 1.0, "dp_budget": 8.0})
    train(private, snapshot_id, "popularity")
    selection = select_models(private, snapshot_id)
    assert [row.family for row in selection.leaderboard] == ["popularity"]
    assert selection.failures["item_cf"] == "it was not trained"  # with privacy
    assert selection.failures["user_cf"] == "it can't be trained under differential privacy"


@pytest.mark.parametrize(
    ("update", "cause"),
    [
        ({"dp_budget": None}, "PENCHANT_DP_BUDGET isn't"),
        ({"dp_delta": 0.1}, r"PENCHANT_DP_DELTA: must be below 1 / \d+ users, got 0\.1"),
    ],
)
def test_a_budget_that_promises_nothing_is_refused(
    private: Planted, update: dict[str, float | None], cause: str
) -> None:
    settings, snapshot_id = private
    with pytest.raises(UsageError, match=cause):
        train(settings.model_copy(update=update), snapshot_id, "popularity")
    assert PrivacyLedger(settings).entries() == ()


def test_an_older_ledger_is_noticed(private: Planted) -> None:
    settings, snapshot_id = private
    train(settings, snapshot_id, "popularity")
    for path in PrivacyLedger(settings).folder.glob("*.json"):
        path.unlink()
    with pytest.raises(DataError, match="it has 0 entries, but run popularity-"):
        train(settings.model_copy(update={"seed": 1}), snapshot_id, "popularity")


@pytest.mark.parametrize("family", FAMILIES)
def test_private_families_have_a_setting_and_say_what_they_spend(family: str) -> None:
    config = default_config(family)
    has_setting = "privacy" in {field.name for field in fields(config)}
    assert has_setting == (family in PRIVATE)
    assert isinstance(make(family, config), LearnsPrivately) == (family in PRIVATE)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf"])
def test_epsilon_must_be_a_positive_number(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from pydantic import ValidationError

    from penchant.settings import wrong_setting

    monkeypatch.setenv("PENCHANT_DP_EPSILON", value)
    with pytest.raises(ValidationError) as caught:
        Settings(_env_file=None)
    said = wrong_setting(caught.value.errors()[0])
    assert said == f"PENCHANT_DP_EPSILON: must be a positive number, got {value!r}"


def test_mlflow_has_what_a_run_spent(private: Planted) -> None:
    from training.commands.track import _successes

    settings, snapshot_id = private
    train(settings, snapshot_id, "popularity")
    (run,) = _successes(settings.runs / snapshot_id)
    assert run.figures["dp_epsilon"] == run.figures["dp_total_epsilon"] <= 1
    assert json.dumps(run.figures["dp_delta"]) == "1e-06"
