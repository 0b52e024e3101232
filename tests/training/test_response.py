"""Families that predict the response to ads recover planted responses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from planted_ads import ad_tables, added, candidates, logit
from safetensors.torch import load_file

from penchant.artifacts import Snapshot
from penchant.errors import DataError, NothingToDo, PenchantError, UsageError
from penchant.settings import Settings
from training.commands.run_identity import run_id_of
from training.commands.select_models import select_models
from training.commands.track import track
from training.commands.train import train
from training.configs import main_job
from training.data.histories import Dataset
from training.data.split import Split, split_by_time
from training.data.training_sets import read_training_set
from training.evaluation import response
from training.evaluation.context import EvaluationContext
from training.evaluation.metrics.auc import auc
from training.evaluation.metrics.calibration import bins_of
from training.fitting.budget import Budget
from training.fitting.capabilities import PredictsResponse, capabilities
from training.fitting.context import TrainingContext
from training.fitting.factory import make
from training.layers.responses.ads import CANDIDATES, RESPONSES, SPENDING, AdWindows, offered_now

FAMILIES = ("linear_response", "logistic_response")
USERS = [f"u{user:04}" for user in range(800)]
Sets = dict[str, pa.Table]


@pytest.fixture(scope="module")
def ads() -> Sets:
    shown, spending = ad_tables(USERS)
    return {RESPONSES: shown, SPENDING: spending, CANDIDATES: candidates(spending)}


@pytest.fixture
def split(dataset: Dataset) -> Split:
    return split_by_time(dataset.histories)


def context_for(sets: Sets, split: Split, dataset: Dataset) -> TrainingContext:
    return TrainingContext(
        split.validation,
        dataset.items,
        torch.device("cpu"),
        0,
        Budget(600, 10**6),
        Path("nowhere"),
        training_set=sets.__getitem__,
    )


@pytest.fixture
def fitted(
    ads: Sets, split: Split, dataset: Dataset, tmp_path: Path
) -> Callable[[str], tuple[Any, dict]]:
    """A family fitted on the planted ads, with the evaluator's figures."""

    def fit(name: str) -> tuple[Any, dict]:
        context = context_for(ads, split, dataset)
        family = make(name, main_job(name))
        family.fit(split, context)
        return family, response.evaluate(
            family, EvaluationContext(dataset, split, context, tmp_path, 0)
        )

    return fit


def orders_of(table: pa.Table) -> np.ndarray:
    return np.log1p(table["user_statistics__orders"].to_numpy()) - 3


def test_planted_response_probabilities_are_recovered(fitted: Any, ads: Sets) -> None:
    family, figures = fitted("logistic_response")
    test = AdWindows.of(ads[RESPONSES]).split(ads[RESPONSES]).test
    truth = np.zeros(len(test))
    for kind in ("coupon", "mailer"):
        mask = np.array(test["kind"].to_pylist()) == kind
        groups = np.array(test["user_profile__group"].to_pylist())
        truth[mask] = logit(orders_of(test), groups, kind)[mask]
    label = test["converted"].to_numpy(zero_copy_only=False).astype(float)
    best = auc(label, truth)(np.ones((1, len(label))))[0, 0]
    metrics = figures["metrics"]
    assert metrics["auc"]["mean"] > best - 0.01
    assert metrics["log_loss"]["high"] < figures["baseline"]["log_loss"]["low"]
    assert metrics["brier"]["high"] < figures["baseline"]["brier"]["low"]
    predicted = np.array([each["predicted"] for each in figures["reliability"]])
    came = np.array([each["came"]["mean"] for each in figures["reliability"]])
    assert (np.diff(predicted) > 0).all() and np.abs(predicted - came).max() < 0.15
    probability = family.responses(test).numpy()
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-truth)), atol=0.2)


def test_uplift_is_recovered_under_confounded_assignment(fitted: Any, ads: Sets) -> None:
    family, figures = fitted("linear_response")
    spending = ads[SPENDING]
    truth = added(orders_of(spending))
    found = family.responses(spending).numpy()
    assert np.corrcoef(found, truth)[0, 1] > 0.99
    assert np.abs(found - truth).mean() < 0.5
    uplift = figures["uplift"]["spend_after"]
    # 99.9 % of the mean's distribution: one sample in twenty is outside of its 95 % interval
    half = (uplift["mean"]["high"] - uplift["mean"]["low"]) / 2
    assert abs(uplift["mean"]["mean"] - truth.mean()) < 3.29 / 1.96 * half
    tenths = [tenth["mean"] for tenth in uplift["by_tenth"]]
    assert tenths[0] > tenths[4] > tenths[9] and uplift["gain"]["low"] > 3
    sent = spending["sent"].to_numpy(zero_copy_only=False)
    spent = spending["spend_after"].to_numpy()
    naive = spent[sent].mean() - spent[~sent].mean()
    assert naive > uplift["mean"]["high"], "comparing means would do: nothing is shown here"


def test_training_answers_are_known_before_the_next_window(ads: Sets) -> None:
    windows = AdWindows.of(ads[RESPONSES])
    split = windows.split(ads[RESPONSES])
    assert pc.max(split.train["answered_at"]).as_py() <= windows.validation
    assert pc.max(split.validation["answered_at"]).as_py() <= windows.test
    assert pc.min(split.test["shown_at"]).as_py() == windows.test
    parts = (split.train, split.validation, split.test)
    assert sum(map(len, parts)) + split.left_out == len(ads[RESPONSES])
    assert len(split.test) >= 0.2 * len(ads[RESPONSES])


def with_column(table: pa.Table, name: str, value: object) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(at, name, pa.array([value] * len(table), table.schema.field(at).type))


BAD: dict[str, tuple[Callable[[Sets], Sets], type[PenchantError], str]] = {
    "no ads": (
        lambda ads: {name: table.slice(0, 0) for name, table in ads.items()},
        NothingToDo,
        "no ad that was shown",
    ),
    "one campaign": (
        lambda ads: {
            name: table.filter(pc.equal(table["ad_id"], "c00")) for name, table in ads.items()
        },
        NothingToDo,
        "too close together",
    ),
}
NOBODY_ANSWERED = (
    lambda ads: {**ads, RESPONSES: with_column(ads[RESPONSES], "converted", False)},
    DataError,
    "one class only: no user of",
)
ALL_WERE_SENT = (
    lambda ads: {**ads, SPENDING: with_column(ads[SPENDING], "sent", True)},
    DataError,
    "nobody to compare with",
)


@pytest.mark.parametrize(
    ("family", "bad"),
    [(family, bad) for family in FAMILIES for bad in BAD.values()]
    + [("logistic_response", NOBODY_ANSWERED), ("linear_response", ALL_WERE_SENT)],
)
def test_rejects_uninformative_ads_with_a_remedy(
    family: str, bad: Any, ads: Sets, split: Split, dataset: Dataset
) -> None:
    damage, error, words = bad
    with pytest.raises(error, match=words):
        make(family, main_job(family)).fit(split, context_for(damage(ads), split, dataset))


@pytest.mark.parametrize("family", FAMILIES)
def test_run_is_evaluated_and_loaded_state_predicts_the_same(
    family: str, trained_once: tuple[Settings, str], planted: tuple[Settings, str]
) -> None:
    settings, snapshot_id = trained_once
    run_id = run_id_of(
        Snapshot.open(settings, snapshot_id), family, main_job(family), settings.seed
    )
    run = settings.runs / snapshot_id / run_id
    record = json.loads((run / "run.json").read_text())
    assert record["capabilities"] == ["predicts response"]
    assert record["headline"].startswith(("response AUC", "uplift gain"))
    assert record["tasks"]["response"]["ads"]["test"]["shown"] > 0
    loaded = make(family, main_job(family))
    loaded.load_state(load_file(run / "model.safetensors"))
    assert isinstance(loaded, PredictsResponse) and "ranks" not in capabilities(loaded)
    shown = read_training_set(Snapshot.open(settings, snapshot_id), SPENDING)
    answers = loaded.responses(shown)
    assert answers.shape == (len(shown),) and torch.isfinite(answers).all()
    train(*planted, family)
    again = make(family, main_job(family))
    again.load_state(load_file(planted[0].runs / snapshot_id / run_id / "model.safetensors"))
    assert torch.equal(again.responses(shown), answers)


def test_mlflow_has_the_metrics_of_a_task(planted: tuple[Settings, str]) -> None:
    from mlflow.tracking import MlflowClient

    train(*planted, "logistic_response")
    track(*planted)
    client = MlflowClient(planted[0].mlflow_uri)
    experiment = client.get_experiment_by_name("families")
    (run,) = client.search_runs([experiment.experiment_id])
    assert 0.5 < run.data.metrics["response_auc"] < 1
    assert "response_uplift_gain" in run.data.metrics


def test_shop_without_ads_skips_response_families(planted: tuple[Settings, str]) -> None:
    settings, snapshot_id = planted
    path = Snapshot.open(settings, snapshot_id).training_set(RESPONSES)
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    train(settings, snapshot_id, "popularity")
    with pytest.raises(NothingToDo) as raised:
        train(settings, snapshot_id, "logistic_response")
    assert raised.value.exit_code == 66  # Airflow shows the task as skipped, not as failed
    selection = select_models(settings, snapshot_id, ("popularity", "logistic_response"))
    assert list(selection.failures) == ["logistic_response"]
    assert "no ad that was shown" in selection.failures["logistic_response"]


def test_rejects_missing_training_set(planted: tuple[Settings, str]) -> None:
    path = Snapshot.open(*planted).training_set(SPENDING)
    path.unlink()
    with pytest.raises(UsageError, match="has no training set campaign_spending"):
        train(*planted, "linear_response")


def test_bins_have_equal_size() -> None:
    assert np.bincount(bins_of(np.random.default_rng(0).random(100), 10)).tolist() == [10] * 10


def test_upcoming_has_predictions_for_every_user(fitted: Any, ads: Sets, tmp_path: Path) -> None:
    family, _ = fitted("logistic_response")
    upcoming = pq.read_table(tmp_path / "upcoming.parquet")
    assert upcoming["user_id"].equals(ads[CANDIDATES]["user_id"])
    now = family.responses(offered_now(ads[CANDIDATES])).numpy()
    np.testing.assert_allclose(upcoming["probability"].to_numpy(), now)
    orders = orders_of(ads[CANDIDATES])
    assert np.corrcoef(orders, now)[0, 1] > 0.5
