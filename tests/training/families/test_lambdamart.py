"""LambdaMART on the planted snapshot: reproducible, and what serving needs is whole."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from feature_home import column
from planted import USERS, plant
from planted_features import MART

from penchant.artifacts import RankingModelRecord, Snapshot
from penchant.releases.model_file import ranking_model_in
from penchant.settings import Settings
from penchant.storage import write_json
from training.data.feature_history import FeatureHistory
from training.data.histories import DAY, Dataset, Histories, read_dataset
from training.data.split import WINDOW_DAYS, split_by_time
from training.families.lambdamart import Config, Model
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.layers.ranking.candidate_sources import FittedSource, Source
from training.layers.ranking.trees import TreesConfig

SMALL = Config(fortnights=(1, 2), trees=TreesConfig(trees=10, leaves=4, min_rows_of_leaf=5))


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


@pytest.fixture
def snapshot(settings: Settings) -> Snapshot:
    return Snapshot.open(settings, plant(settings))


def test_same_seed_gives_the_same_scores_and_a_loaded_model_too(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    model, dataset = fitted(snapshot, tmp_path)
    again, _ = fitted(snapshot, tmp_path)
    loaded = Model(SMALL)
    loaded.load_state(model.state())
    scores_UI = model.scores(dataset.histories)
    assert torch.isfinite(scores_UI).all()
    assert torch.equal(scores_UI, again.scores(dataset.histories))
    assert torch.equal(scores_UI, loaded.scores(dataset.histories))


def test_user_without_history_gets_popular_items(snapshot: Snapshot, tmp_path: Path) -> None:
    model, dataset = fitted(snapshot, tmp_path)
    scores_1I = model.scores(dataset.histories.take(np.array([USERS])))
    assert scores_1I.argmax() == model.popularity_I.argmax()


def test_column_added_to_a_mart_is_a_feature_with_an_importance(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    path = snapshot.mart(MART)
    table = pq.read_table(path)
    pq.write_table(table.append_column("added", table["pair_purchase_days"]), path)
    manifest = json.loads(snapshot.manifest.read_text())
    (node,) = manifest["nodes"].values()
    node["columns"]["added"] = column("added", "BIGINT")
    write_json(snapshot.manifest, manifest)
    model, _ = fitted(snapshot, tmp_path)
    record = model.ranking_model(tmp_path, "lambdamart-1", snapshot.id)
    assert f"{MART}__added" in record.features
    assert record.importance[f"{MART}__added"] > 0


def test_leaves_a_verified_model_and_lists_of_all_sources(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    model, dataset = fitted(snapshot, tmp_path)
    record = model.ranking_model(tmp_path, "lambdamart-1", snapshot.id)
    record.write(RankingModelRecord.path(tmp_path))
    assert ranking_model_in(tmp_path) == record
    assert sum(record.importance.values()) == pytest.approx(1)
    assert all(source.recall_at_100 for source in record.sources)
    lists = model.candidate_lists(dataset.histories, dataset, of_all=True)
    of_source = {name: lists["source"].to_pylist().count(name) for name in record_names(record)}
    assert of_source == {
        source.name: 1 if source.key == "all" else USERS + 1 for source in record.sources
    }
    for scores in lists["scores"].to_pylist():
        assert scores == sorted(scores, reverse=True)


def test_costly_source_is_fitted_at_some_fortnights_and_at_the_end(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, ends = FittedSource.fit, dict[str, list[int]]()

    def noted(source: Source, past: Histories, context: TrainingContext) -> FittedSource:
        ends.setdefault(source.family, []).append(past.end)
        return fit(source, past, context)

    monkeypatch.setattr(FittedSource, "fit", staticmethod(noted))
    _, dataset = fitted(snapshot, tmp_path)
    t1 = split_by_time(dataset.histories).train.end
    before = [t1 - fortnight * WINDOW_DAYS * DAY for fortnight in (2, 1)]
    assert ends["tifu_knn"] == [*before, t1]
    assert ends["item_cf"] == [before[0], t1]


def record_names(record: RankingModelRecord) -> list[str]:
    return [source.name for source in record.sources]
