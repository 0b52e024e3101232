"""The learned policy: finds the planted preference, has plain state, rejects bad logs."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planted import AS_OF, GROUPS, ITEMS, USERS
from planted_log import CLICKS, log_table
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file

from penchant.artifacts import PolicyDescription, Snapshot
from penchant.bandits.context_features import FEATURE_NAMES, ContextFeatures
from penchant.bandits.learned import LearnedPolicy
from penchant.errors import DataError, NothingToDo
from penchant.settings import Settings
from training.commands.run_identity import run_id_of
from training.commands.train import train
from training.configs import main_job
from training.data.histories import Dataset, read_dataset
from training.data.policy_log import PolicyLog, of_table, read_policy_log
from training.families.bandit import Config, Model
from training.layers.action_features import context_counts

Trained = tuple[Settings, str]
BY_CHANCE = CLICKS[0] + (CLICKS[1] - CLICKS[0]) / GROUPS


@pytest.fixture(scope="module")
def run(trained_once: Trained) -> Path:
    settings, snapshot_id = trained_once
    run_id = run_id_of(
        Snapshot.open(settings, snapshot_id), "bandit", main_job("bandit"), settings.seed
    )
    return settings.runs / snapshot_id / run_id


def test_it_earns_more_than_what_was_logged(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    assert record["capabilities"] == ["chooses actions"]
    test = record["tasks"]["off_policy_evaluation"]["windows"]["test"]
    assert test["logged"]["low"] <= BY_CHANCE <= test["logged"]["high"]
    for name in ("IPS", "SNIPS", "DR", "switch-DR"):
        assert test["estimates"][name]["low"] > test["logged"]["high"], name


def test_its_state_is_read_without_torch(run: Path, trained_once: Trained) -> None:
    arrays = load_arrays(run / "model.safetensors")
    description = PolicyDescription.read(run / "policy.json")
    assert description.features == FEATURE_NAMES
    assert description.settings["policy"] == "dynamic"
    mean_AD = LearnedPolicy.read(description, arrays).posterior.weights.mean_AD
    assert mean_AD.shape == (1, len(FEATURE_NAMES))
    interest = mean_AD[0, FEATURE_NAMES.index("interest")]
    assert interest > 1, "the preference for the category has the largest weight"

    model = Model(Config())
    model.load_state(load_file(run / "model.safetensors"))
    snapshot = Snapshot.open(*trained_once)
    dataset = read_dataset(snapshot)
    asked = everything(dataset, read_policy_log(snapshot, dataset))
    best_B = model.expected_clicks(asked).argmax(axis=1)
    assert (best_B % GROUPS == np.arange(8) % GROUPS).all()
    assert model.action_scores(asked, np.random.default_rng(0)).scores_BVC.shape == (8, 33, ITEMS)


def everything(dataset: Dataset, log: PolicyLog) -> ContextFeatures:
    """The first eight users, asked about all items in the end."""
    shape = (8, ITEMS)
    return context_counts(dataset.histories, dataset.items, log).features(
        np.arange(8),
        np.broadcast_to(np.arange(ITEMS), shape),
        np.full(8, dataset.histories.end),
        np.zeros(8, np.int64),
        np.zeros(shape),
        np.ones(shape, bool),
    )


@pytest.mark.parametrize("policy", ["linucb", "epsilon greedy"])
def test_the_other_beliefs_and_policies_learn_too(
    policy: str, dataset: Dataset, trained_once: Trained
) -> None:
    log = read_policy_log(Snapshot.open(*trained_once), dataset)
    model = Model(Config(click_model="linear", policy=policy))  # type: ignore[arg-type]
    model.learn(log, dataset.histories, dataset.items)
    asked = everything(dataset, log)
    assert (model.expected_clicks(asked).argmax(axis=1) % GROUPS == np.arange(8) % GROUPS).all()
    assert model.action_scores(asked, np.random.default_rng(0)).scores_BVC.shape == (8, 1, ITEMS)


def changed(column: str, values: pa.Array | None) -> pa.Table:
    table = log_table(USERS, ITEMS, GROUPS, AS_OF)
    at = table.schema.get_field_index(column)
    return table.drop_columns(column) if values is None else table.set_column(at, column, values)


def test_a_log_that_says_too_little_is_refused(dataset: Dataset) -> None:
    table = log_table(USERS, ITEMS, GROUPS, AS_OF)
    rows = len(table)
    with pytest.raises(NothingToDo, match="no item was shown with a propensity"):
        of_table(table.slice(0, 0), dataset)
    for column, values, says in (
        ("propensity", None, "has no column propensity"),
        ("propensity", pa.nulls(rows, pa.float64()), "no value in its column propensity"),
        ("propensity", pa.array(np.zeros(rows)), "propensities are 0 or less"),
        ("clicked", pa.nulls(rows, pa.bool_()), "no value in its column clicked"),
        ("item_id", pa.array(["nothing"] * rows), "has 8000 items without a row in mart items"),
    ):
        with pytest.raises(DataError, match=says):
            of_table(changed(column, values), dataset)


def test_a_snapshot_without_a_log_leaves_the_reason(planted: Trained) -> None:
    settings, snapshot_id = planted
    path = Snapshot.open(settings, snapshot_id).mart("policy_log")
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(NothingToDo):
        train(settings, snapshot_id, "bandit")
    path.unlink()
    with pytest.raises(DataError, match="has no mart policy_log"):
        train(settings, snapshot_id, "bandit")
    failed = json.loads((settings.runs / snapshot_id / "failed" / "bandit.json").read_text())
    assert "no mart policy_log" in failed["cause"]
