"""The label space, the evaluator, and the contract of every family that classifies."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from planted import GROUPS, plant
from safetensors.torch import load_file

from penchant.artifacts import Snapshot
from penchant.errors import DataError, UsageError
from penchant.settings import Settings
from training.commands.predict_interests import predict
from training.commands.train import run_id_for, train
from training.configs import main_job
from training.data.histories import DAY, Dataset, Histories, read_dataset, starts
from training.data.interest_labels import (
    NO_INTEREST,
    cut_points,
    find_interests,
    known,
    row_of,
    window_targets,
)
from training.data.split import Split, split_by_time
from training.evaluation.context import EvaluationContext
from training.evaluation.interests import evaluate, read_answers
from training.fitting.budget import Budget
from training.fitting.capabilities import ClassifiesInterests
from training.fitting.context import TrainingContext
from training.fitting.factory import make
from training.fitting.family import Family, State
from training.layers.probe import Probe, fit_probe, no_vectors
from training.names import FAMILIES

Trained = tuple[Settings, str]
CLASSIFIERS = [
    name for name in FAMILIES if isinstance(make(name, main_job(name)), ClassifiesInterests)
]
CHANCES = np.array([0.1, 0.3, 0.5, 0.9])  # of a user to buy of a category in a fortnight


def of_chances(chance_UC: np.ndarray, fortnights: int = 12) -> Histories:
    """Users who buy of each category, one item, by these chances anew in each fortnight."""
    random = np.random.default_rng(0)
    cells = [
        (user, fortnight * 14 * DAY + 1000, item)
        for user in range(len(chance_UC))
        for fortnight in range(fortnights)
        for item in np.flatnonzero(random.random(chance_UC.shape[1]) < chance_UC[user])
    ]
    users_N, times_N, items_N = (np.array(column) for column in zip(*cells, strict=True))
    return Histories(
        np.arange(len(chance_UC)),
        starts(np.bincount(users_N, minlength=len(chance_UC))),
        items_N.astype(np.int32),
        times_N,
        np.ones(len(items_N), np.float32),
        chance_UC.shape[1],
        fortnights * 14 * DAY,
    )


def catalogue(*paths: tuple[str | None, ...]) -> pa.Table:
    columns = list(zip(*paths, strict=True))
    return pa.table(
        {
            f"category_{level}": pa.array(column, pa.string())
            for level, column in enumerate(columns, 1)
        }
    )


def run_of(trained: Trained, family: str) -> Path:
    settings, snapshot_id = trained
    return settings.runs / snapshot_id / run_id_for(settings, snapshot_id, family)


def test_interests_are_common_paths_of_the_level_with_most_of_them() -> None:
    chance_UC = np.tile([0.9, 0.5, 0.01, 0.4, 0.6], (200, 1))
    items = catalogue(
        ("Food", "Bread"), ("Food", "Milk"), ("Food", "Caviar"), ("Home", "Milk"), ("Home", None)
    )
    train = of_chances(chance_UC)
    found = find_interests(items, train)
    assert (found.level, found.left_out) == (2, 1)
    assert found.titles_C == ("Food > Bread", "Food > Milk", "Home > Milk")
    assert found.interest_I.tolist() == [0, 1, NO_INTEREST, 2, NO_INTEREST]
    label_UC = found.acted_on(train.between(train.end - 14 * DAY, train.end))
    np.testing.assert_allclose(label_UC.mean(axis=0), [0.9, 0.5, 0.4], atol=0.12)


def test_cut_points_have_no_future_events_and_only_known_users() -> None:
    train = of_chances(np.full((20, 3), 0.3))
    windows = cut_points(train)
    for number, window in enumerate(windows):
        begins = train.end - (number + 1) * 14 * DAY
        assert window.histories.end == begins > window.histories.times_N.max()
        assert window.targets.times_N.min() >= begins
        assert window.targets.times_N.max() < begins + 14 * DAY
        assert window.histories.lengths_U.all()
    for targets, window in zip(window_targets(train), windows, strict=True):
        np.testing.assert_array_equal(targets.users_U, window.targets.users_U)
        np.testing.assert_array_equal(targets.items_N, window.targets.items_N)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (pa.table({"item_id": ["a", "b"]}), "has no categories"),
        (catalogue((None,), (None,)), "has no categories"),
        (catalogue(("Food",), ("Food",)), "1 category has enough users"),
        (catalogue(("Food",), (None,)), "1 category has enough users"),
    ],
)
def test_rejects_catalogue_without_two_interests(items: pa.Table, message: str) -> None:
    with pytest.raises(DataError, match=message):
        find_interests(items, of_chances(np.full((50, 2), 0.5)))


def test_probe_recovers_planted_probabilities_and_calibration_is_measured(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    chance_UC = random.choice(CHANCES, (600, 4))
    histories = of_chances(chance_UC)
    items = catalogue(*((name,) for name in "ABCD"))
    dataset = Dataset((), (), histories, pa.table({}), items)
    split = split_by_time(histories)
    context = TrainingContext(
        split.validation, items, torch.device("cpu"), 0, Budget(600, 10**6), tmp_path
    )

    class Habits(Family):
        def __init__(self) -> None:
            self.fit(split, context)

        def fit(self, split: Split, context: TrainingContext) -> None:
            self.probe, self.habits = fit_probe(no_vectors, split, context)

        def state(self) -> State:
            return self.probe.state()

        def load_state(self, state: State) -> None:
            self.probe = Probe.of(state)

        def interests(self, batch: Histories) -> torch.Tensor:
            return self.probe.probabilities(no_vectors, batch)

    class Truth(Habits):
        def interests(self, batch: Histories) -> torch.Tensor:
            order_C = [
                ord(title) - ord("A") for title in find_interests(items, split.train).titles_C
            ]
            return torch.from_numpy(chance_UC[batch.users_U][:, order_C])

    class Overconfident(Habits):
        def interests(self, batch: Histories) -> torch.Tensor:
            return (super().interests(batch) > 0.5) * 0.98 + 0.01

    found = {
        family.__name__: evaluate(family(), EvaluationContext(dataset, split, context, tmp_path, 0))
        for family in (Habits, Truth, Overconfident)
    }
    truth, habits = (found[name]["metrics"] for name in ("Truth", "Habits"))
    assert truth["calibration_error"]["mean"] < 0.04
    assert habits["calibration_error"]["mean"] < 0.06
    assert found["Overconfident"]["metrics"]["calibration_error"]["low"] > 0.1
    assert habits["auc_macro"]["mean"] > truth["auc_macro"]["mean"] - 0.04
    assert (
        habits["auc_macro"]["mean"] > found["Habits"]["baselines"]["base rate"]["auc_macro"]["high"]
    )
    assert found["Habits"]["baselines"]["base rate"]["auc_macro"]["mean"] == pytest.approx(0.5)
    assert found["Truth"]["over"]["own habit"]["log_loss"]["high"] < 0
    assert [one["title"] for one in found["Truth"]["by_interest"]] == list(found["Truth"]["titles"])
    kept, _ = read_answers(tmp_path, "own habit")
    assert kept.probability_UC.shape == kept.label_UC.shape == (600, 4)


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_family_predicts_planted_interests(family: str, trained_once: Trained) -> None:
    record = json.loads((run_of(trained_once, family) / "run.json").read_text())
    task = record["tasks"]["interests"]
    assert sorted(task["titles"]) == [f"Kind {group}" for group in range(GROUPS)]
    assert task["metrics"]["auc_macro"]["low"] > 0.95
    assert task["metrics"]["f1_micro"]["low"] > 0.9
    assert task["over"]["own habit"]["auc_macro"]["high"] > -0.02


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_loaded_model_predicts_as_evaluated(family: str, trained_once: Trained) -> None:
    run = run_of(trained_once, family)
    model = make(family, main_job(family))
    model.load_state(load_file(run / "model.safetensors"))
    assert isinstance(model, ClassifiesInterests)
    split = split_by_time(read_dataset(Snapshot.open(*trained_once)).histories)
    probability_UC = model.interests(known(split.test).histories)
    evaluated, _ = read_answers(run, "itself")
    np.testing.assert_allclose(probability_UC.numpy(), evaluated.probability_UC, atol=1e-5)


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_user_without_history_gets_probabilities(family: str, trained_once: Trained) -> None:
    model = make(family, main_job(family))
    model.load_state(load_file(run_of(trained_once, family) / "model.safetensors"))
    assert isinstance(model, ClassifiesInterests)
    nobody = read_dataset(Snapshot.open(*trained_once)).histories.take(np.array([60]))
    assert len(nobody.items_N) == 0
    probability_1C = model.interests(nobody)
    assert ((probability_1C >= 0) & (probability_1C <= 1)).all()


def test_predict_uses_the_best_family_on_validation(trained_once: Trained) -> None:
    prediction = predict(*trained_once, "u006", most=3)
    assert len(prediction.interests) == 3
    assert prediction.interests[0][0] == "Kind 2", "what u006 buys"
    assert prediction.interests[0][1] > 0.8 > 0.2 > prediction.interests[1][1]
    assert (
        "in the fortnight from 2024-04-01" in prediction.summary()
        and "Kind 2" in prediction.summary()
    )
    one = predict(*trained_once, "u006", most=3, family="vae", category="Kind 1")
    assert [title for title, _ in one.interests] == ["Kind 1"] and one.run_id.startswith("vae")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"category": "Caviar"}, "unknown interest 'Caviar'; 0 rare"),
        ({"family": "popularity"}, "popularity does not tell interests"),
        ({"user_id": "nobody"}, "no user 'nobody'"),
    ],
)
def test_rejects_unknown_category_family_or_user(
    asked: dict[str, str], message: str, trained_once: Trained
) -> None:
    with pytest.raises(UsageError, match=message):
        predict(*trained_once, **({"user_id": "u006", "most": 3} | asked))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "named"),
    [("bread", "'Food > Bread'"), ("Food > Mlik", "'Food > Milk'"), ("xyz", "'Food > Bread', ")],
)
def test_unknown_category_error_suggests_similar_ones(asked: str, named: str) -> None:
    with pytest.raises(UsageError) as raised:
        row_of(asked, ("Food > Bread", "Food > Milk", "Home > Lamps"), left_out=7)
    assert "7 rare categories are no interests" in raised.value.cause
    assert f"such as {named}" in raised.value.remedy


def test_run_without_interests_records_the_cause_and_ranks(settings: Settings) -> None:
    snapshot_id = plant(settings, items=1)
    report = train(settings, snapshot_id, "vae")
    record = json.loads((settings.runs / snapshot_id / report.run_id / "run.json").read_text())
    assert "at least two interests are needed" in record["tasks"]["interests"]["missing"]
    assert record["metrics"]["all"]["ndcg@10"]["mean"] == 1.0
    model = make("vae", main_job("vae"))
    model.load_state(load_file(settings.runs / snapshot_id / report.run_id / "model.safetensors"))
    assert isinstance(model, ClassifiesInterests)
    histories = read_dataset(Snapshot.open(settings, snapshot_id)).histories
    with pytest.raises(DataError, match="no interests were learned"):
        model.interests(histories)
    with pytest.raises(DataError, match="at least two interests are needed"):
        predict(settings, snapshot_id, "u006", most=3)
