"""The neural ranking model on the planted snapshot: it learns, is exported, and is reproducible."""

from pathlib import Path

import numpy as np
import pytest
import torch
from planted import plant

from penchant.artifacts import RankingModelRecord, Snapshot
from penchant.encoders.onnx_session import open_session
from penchant.releases.model_file import ranking_model_in
from penchant.settings import Settings
from training.data.feature_history import FeatureHistory
from training.data.histories import Dataset, read_dataset
from training.data.split import split_by_time
from training.families.dcn import FEATURES, SCORES, Config, Model
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.layers.ranking.cross_network import CandidateBatch, CrossConfig, CrossNetwork
from training.layers.ranking.examples import RankingExamples, features_of, pairs_of

SMALL = Config(fortnights=(1, 2), network=CrossConfig(rank=4, hidden=(8,)), epochs=3)


def fitted(snapshot: Snapshot, scratch: Path) -> tuple[Model, Dataset]:
    dataset = read_dataset(snapshot)
    split = split_by_time(dataset.histories)
    context = TrainingContext(
        split.validation,
        dataset.items,
        torch.device("cpu"),
        3,
        Budget(600, 10**6),
        scratch,
        feature_history=lambda: FeatureHistory.read(snapshot, dataset),
    )
    model = Model(SMALL)
    model.fit(split, context)
    model.observe(dataset.histories)
    return model, dataset


def test_exported_loaded_and_fitted_again_it_scores_the_same(
    settings: Settings, tmp_path: Path
) -> None:
    snapshot = Snapshot.open(settings, plant(settings))
    model, dataset = fitted(snapshot, tmp_path / "a")
    again, _ = fitted(snapshot, tmp_path / "b")
    loaded = Model(SMALL)
    loaded.load_state(model.state())
    scores_UI = model.scores(dataset.histories)
    assert torch.isfinite(scores_UI).all()
    assert torch.equal(scores_UI, again.scores(dataset.histories))
    assert torch.equal(scores_UI, loaded.scores(dataset.histories))

    record = model.ranking_model(tmp_path, "dcn-1", snapshot.id)
    record.write(RankingModelRecord.path(tmp_path))
    assert ranking_model_in(tmp_path) == record and record.model.kind == "onnx"
    assert sum(record.importance.values()) == pytest.approx(1)
    lists = model.remembered.of(dataset.histories)
    pairs = pairs_of(lists, dataset.histories)
    features_CF = features_of(pairs, lists, dataset.histories, model.tables)
    session = open_session(tmp_path / record.model.name)
    (score_C,) = session.run([SCORES], {FEATURES: features_CF})
    assert score_C == pytest.approx(model.model.scores(features_CF), abs=1e-3)


def test_learns_an_order_that_an_unknown_feature_changes() -> None:
    """The first feature ranks, but only where the second is known."""
    random = np.random.default_rng(0)
    features_CF = random.normal(size=(1000, 2)).astype(np.float32)
    features_CF[::2, 1] = np.nan
    known_C = ~np.isnan(features_CF[:, 1])
    best_G = np.where(known_C, features_CF[:, 0], -9).reshape(100, 10).argmax(1)
    label_C = (np.arange(10) == best_G[:, None]).ravel()
    examples = RankingExamples(features_CF, label_C, np.full(100, 10))
    torch.manual_seed(0)
    network = CrossNetwork.of(CrossConfig(rank=4, hidden=(16,), dropout=0.0), [examples])
    batch = CandidateBatch.of(examples, np.arange(100))
    optimizer = torch.optim.Adam(network.parameters(), 0.03)
    for _ in range(80):
        optimizer.zero_grad()
        network.loss(batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        found_G = network(batch.features_CF).reshape(100, 10).argmax(1).numpy()
    assert (found_G == best_G).mean() > 0.9


def test_loss_of_a_batch_is_the_mean_over_its_parts() -> None:
    random = np.random.default_rng(0)
    counts_G = np.array([3, 5, 2, 4])
    label_C = np.zeros(14, bool)
    label_C[[0, 4, 8, 11]] = True
    examples = RankingExamples(random.normal(size=(14, 3)).astype(np.float32), label_C, counts_G)
    network = CrossNetwork.of(CrossConfig(rank=2, hidden=(4,), dropout=0.0), [examples])
    batch = CandidateBatch.of(examples, np.arange(4))
    parts = [batch.part(place, 2) for place in range(2)]
    assert [part.targets for part in parts] == [2, 2]
    with torch.no_grad():
        mean = sum(float(network.loss(part)) for part in parts) / 2
        assert float(network.loss(batch)) == pytest.approx(mean, rel=1e-5)
