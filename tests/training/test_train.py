"""The stage around a family: idempotent, within its budget, all or nothing."""

import json

import pyarrow.parquet as pq
import pytest
from planted import ITEMS, USERS, plant

from penchant.errors import PenchantError, UsageError
from penchant.settings import Settings
from training.names import FAMILIES
from training.train import train

Planted = tuple[Settings, str]


def left_in(settings: Settings) -> list[str]:
    return [path.name for path in settings.runs.glob("*/*")]


def test_a_run_is_made_once(planted: Planted) -> None:
    settings, snapshot_id = planted
    first = train(settings, snapshot_id, "popularity")
    second = train(settings, snapshot_id, "popularity")
    assert (first.status, second.status) == ("trained", "unchanged")
    assert left_in(settings) == [first.run_id]


def test_what_a_run_leaves(planted: Planted) -> None:
    settings, snapshot_id = planted
    report = train(settings, snapshot_id, "popularity")
    run = settings.runs / snapshot_id / report.run_id
    lists = pq.read_table(run / "ranked_lists.parquet")
    assert lists.num_rows == USERS + 1
    assert all(len(set(items)) == ITEMS for items in lists["item_ids"].to_pylist())
    prior = pq.read_table(run / "prior.parquet")
    assert prior["score"].to_pylist() == sorted(prior["score"].to_pylist(), reverse=True)
    record = json.loads((run / "run.json").read_text())
    assert record["capabilities"] == ["ranks", "prior"]
    interval = record["metrics"]["all"]["ndcg@10"]
    assert interval["low"] <= interval["mean"] <= interval["high"]


def test_mlflow_has_the_run(planted: Planted) -> None:
    from mlflow.tracking import MlflowClient

    settings, snapshot_id = planted
    report = train(settings, snapshot_id, "popularity")
    client = MlflowClient(settings.mlflow_uri)
    experiment = client.get_experiment_by_name("families")
    (run,) = client.search_runs([experiment.experiment_id], f"tags.run_id = '{report.run_id}'")
    assert run.info.status == "FINISHED"
    assert run.data.tags["snapshot_id"] == snapshot_id
    mean = report.metrics["all"]["ndcg@10"]["mean"]
    assert run.data.metrics["all_ndcg_at_10"] == pytest.approx(mean)
    assert len(client.get_metric_history(run.info.run_id, "validation_ndcg_at_10")) > 1


def test_an_unknown_family_is_refused_with_the_names(planted: Planted) -> None:
    with pytest.raises(UsageError, match=", ".join(FAMILIES)):
        train(*planted, "crystal_ball")


def test_a_snapshot_that_has_not_passed_is_refused(settings: Settings) -> None:
    snapshot_id = plant(settings, passed=False)
    with pytest.raises(UsageError, match="has not passed its checks"):
        train(settings, snapshot_id, "popularity")


@pytest.mark.parametrize("limit", [{"family_seconds": 1e-6}, {"family_memory_mb": 1}])
def test_over_budget_it_leaves_nothing(planted: Planted, limit: dict[str, float]) -> None:
    settings = planted[0].model_copy(update=limit)
    with pytest.raises(PenchantError, match="more than its"):
        train(settings, planted[1], "popularity")
    assert not [name for name in left_in(settings) if not name.startswith(".")]
