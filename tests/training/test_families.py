"""The contract of every family that ranks; a new entry in names.py is tested as well."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from planted import ITEMS, USERS, plant
from safetensors.torch import load_file

from penchant.artifacts import Snapshot
from penchant.settings import Settings
from training.commands.run_identity import run_id_of
from training.commands.train import context_for
from training.configs import main_job
from training.data.histories import read_dataset
from training.data.split import split_by_time
from training.evaluation.synthetic.privacy import shortened
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.fitting.factory import make_ranker
from training.fitting.family import Ranker, VectorFamily
from training.fitting.progress import Recorder
from training.names import RANKERS

Trained = tuple[Settings, str]
NOT_PERSONALIZED = {"popularity"}  # the same list for all users


def run_of(trained: Trained, family: str) -> Path:
    settings, snapshot_id = trained
    run_id = run_id_of(
        Snapshot.open(settings, snapshot_id), family, main_job(family), settings.seed
    )
    return settings.runs / snapshot_id / run_id


def fitted(family: str, trained: Trained, scratch: Path) -> Ranker:
    """Fitted as by ``penchant train`` on the same data, with fewer steps, without evaluation."""
    settings, snapshot_id = trained
    snapshot = Snapshot.open(settings, snapshot_id)
    dataset = read_dataset(snapshot)
    split = split_by_time(dataset.histories)
    recorder = Recorder(family, Budget(600, 10**6))
    context = context_for(settings, snapshot, dataset, split, recorder, "again")
    model = make_ranker(family, shortened(main_job(family), 0.1))
    model.fit(split, replace(context, checkpoints=scratch))
    model.observe(dataset.histories)
    return model


def loaded(run: Path, family: str) -> Ranker:
    model = make_ranker(family, main_job(family))
    model.load_state(load_file(run / "model.safetensors"))
    return model


@pytest.mark.parametrize("family", RANKERS)
def test_finds_planted_preference(family: str, trained_once: Trained) -> None:
    record = json.loads((run_of(trained_once, family) / "run.json").read_text())
    recall = record["metrics"]["all"]["recall@10"]
    assert recall["low"] > 10 / ITEMS, "no better than at random"
    assert (recall["low"] > 0.8) == (family not in NOT_PERSONALIZED)


@pytest.mark.parametrize("family", RANKERS)
def test_same_seed_gives_same_model(family: str, trained_once: Trained, tmp_path: Path) -> None:
    """To the bit; everything else in a run is derived from the state."""
    first, second = (
        fitted(family, trained_once, tmp_path / scratch).state() for scratch in ("one", "two")
    )
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.allclose(tensor, second[name], rtol=0, atol=0, equal_nan=True), name


@pytest.mark.parametrize("family", RANKERS)
def test_loaded_model_scores_as_recorded(family: str, trained_once: Trained) -> None:
    run = run_of(trained_once, family)
    histories = read_dataset(Snapshot.open(*trained_once)).histories
    lists = pq.read_table(run / "ranked_lists.parquet")
    scores_BI = loaded(run, family).scores(histories)
    assert torch.isfinite(scores_BI).all()
    best_BK = torch.topk(scores_BI, ITEMS, dim=1).values
    np.testing.assert_allclose(np.stack(lists["scores"].to_pylist()), best_BK.numpy(), rtol=1e-5)


@pytest.mark.parametrize("family", RANKERS)
def test_vectors_are_finite_and_dot_product_is_score(family: str, trained_once: Trained) -> None:
    run = run_of(trained_once, family)
    dataset = read_dataset(Snapshot.open(*trained_once))
    model = loaded(run, family)
    assert (run / "user_vectors.parquet").exists() == isinstance(model, VectorFamily)
    if not isinstance(model, VectorFamily):
        return
    users, items = (pq.read_table(run / f"{kind}_vectors.parquet") for kind in ("user", "item"))
    users_UD, items_ID = (np.stack(table["vector"].to_pylist()) for table in (users, items))
    assert np.isfinite(users_UD).all() and np.isfinite(items_ID).all()
    assert users_UD.any(axis=1).all() and items_ID.any(axis=1).all()
    rows_U = [dataset.user_ids.index(user) for user in users["user_id"].to_pylist()]
    rows_I = [dataset.item_ids.index(item) for item in items["item_id"].to_pylist()]
    scores = model.scores(dataset.histories).numpy()[np.ix_(rows_U, rows_I)]
    np.testing.assert_allclose(users_UD @ items_ID.T, scores, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", RANKERS)
def test_user_without_history_gets_popular_items(family: str, trained_once: Trained) -> None:
    settings, snapshot_id = trained_once
    histories = read_dataset(Snapshot.open(settings, snapshot_id)).histories
    scores_1I = loaded(run_of(trained_once, family), family).scores(
        histories.take(np.array([USERS]))
    )
    assert torch.isfinite(scores_1I).all()
    best = scores_1I[0].argsort(descending=True)[: ITEMS // 2].numpy()
    counts_I = histories.counts_I()
    assert counts_I[best].mean() > counts_I.mean()


@pytest.mark.parametrize("family", RANKERS)
def test_fits_catalogue_of_one_item(family: str, settings: Settings, tmp_path: Path) -> None:
    dataset = read_dataset(Snapshot.open(settings, plant(settings, items=1)))
    split = split_by_time(dataset.histories)
    budget, cpu = Budget(600, 10**6), torch.device("cpu")
    model = make_ranker(family, shortened(main_job(family), 0.1))  # there is nothing to learn
    model.fit(
        split,
        TrainingContext(split.validation, dataset.items, cpu, 0, budget, tmp_path / "scratch"),
    )
    model.observe(dataset.histories)
    scores_BI = model.scores(dataset.histories)
    assert scores_BI.shape == (USERS + 1, 1) and torch.isfinite(scores_BI).all()
