"""The stage around a family: idempotent, within its budget, all or nothing."""

import json
import signal

import pyarrow.parquet as pq
import pytest
from planted import ITEMS, USERS, plant

from penchant.errors import PenchantError, UsageError
from penchant.settings import Settings
from training.commands.track import mlflow_name, track
from training.commands.train import train
from training.families.popularity import Model
from training.fitting.budget import Budget
from training.fitting.progress import Recorder
from training.names import FAMILIES

Planted = tuple[Settings, str]


def left_in(settings: Settings) -> list[str]:
    """Runs and causes of failures, without what the next try removes."""
    left = [*settings.runs.glob("*/*"), *settings.runs.glob("*/failed/*")]
    return [path.name for path in left if path.name != "failed" and path.name[0] != "."]


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
    assert record["capabilities"] == ["ranks", "prior", "unlearns"]
    interval = record["metrics"]["all"]["ndcg@10"]
    assert interval["low"] <= interval["mean"] <= interval["high"]


def test_mlflow_has_every_run_once_also_the_failed(planted: Planted) -> None:
    from mlflow.tracking import MlflowClient

    settings, snapshot_id = planted
    report = train(settings, snapshot_id, "popularity")
    with pytest.raises(PenchantError):
        train(settings.model_copy(update={"family_memory_mb": 1}), snapshot_id, "item_cf")
    assert len(track(settings, snapshot_id).recorded) == 2
    assert track(settings, snapshot_id).recorded == ()
    client = MlflowClient(settings.mlflow_uri)
    experiment = client.get_experiment_by_name("families")
    runs = {run.data.tags["family"]: run for run in client.search_runs([experiment.experiment_id])}
    run, failed = runs["popularity"], runs["item_cf"]
    assert (run.info.status, failed.info.status) == ("FINISHED", "FAILED")
    assert "more than its 1 MB" in failed.data.tags["cause"]
    assert run.data.tags["snapshot_id"] == snapshot_id
    mean = report.metrics["all"]["ndcg@10"]["mean"]
    assert run.data.metrics["all_ndcg_at_10"] == pytest.approx(mean)
    assert len(client.get_metric_history(run.info.run_id, "validation_ndcg_at_10")) > 1
    artifacts = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert artifacts == {"run.json", "model.safetensors"}


def test_a_failed_run_that_is_made_again_goes_on_in_its_own(planted: Planted) -> None:
    from mlflow.tracking import MlflowClient

    settings, snapshot_id = planted
    with pytest.raises(PenchantError):
        train(settings.model_copy(update={"family_seconds": 1e-6}), snapshot_id, "popularity")
    track(settings, snapshot_id)
    train(settings, snapshot_id, "popularity")
    assert len(track(settings, snapshot_id).recorded) == 1
    client = MlflowClient(settings.mlflow_uri)
    experiment = client.get_experiment_by_name("families")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"


def test_an_unknown_family_is_refused_with_the_names(planted: Planted) -> None:
    with pytest.raises(UsageError, match=", ".join(FAMILIES)):
        train(*planted, "crystal_ball")


def test_a_snapshot_that_has_not_passed_is_refused(settings: Settings) -> None:
    snapshot_id = plant(settings, passed=False)
    with pytest.raises(UsageError, match="did not pass its checks"):
        train(settings, snapshot_id, "popularity")


@pytest.mark.parametrize("limit", [{"family_seconds": 1e-6}, {"family_memory_mb": 1}])
def test_over_budget_it_leaves_only_the_cause(planted: Planted, limit: dict[str, float]) -> None:
    settings = planted[0].model_copy(update=limit)
    with pytest.raises(PenchantError, match="more than its"):
        train(settings, planted[1], "popularity")
    assert left_in(settings) == ["popularity.json"]


def test_a_family_that_forgets_to_look_is_stopped_all_the_same(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, snapshot_id = planted
    woken = []

    def fit(*_: object) -> None:
        signal.pause()  # until the timer of the budget
        woken.append(True)

    monkeypatch.setattr(Model, "fit", fit)
    with pytest.raises(PenchantError, match="more than its"):
        train(settings.model_copy(update={"family_seconds": 0}), snapshot_id, "popularity")
    assert not woken


def test_the_record_has_what_the_report_shows(planted: Planted) -> None:
    settings, snapshot_id = planted
    report = train(settings, snapshot_id, "popularity")
    run = settings.runs / snapshot_id / report.run_id
    record = json.loads((run / "run.json").read_text())
    assert record["scoring_ms_per_user"] > 0
    assert [step for _, step, _, _ in record["curve"]] == list(range(5))
    seconds = [seconds for *_, seconds in record["curve"]]
    assert seconds == sorted(seconds)
    users = pq.read_table(run / "per_user.parquet").to_pylist()
    assert all(bool(user["found@10"]) == bool(user["hr@10"]) for user in users)
    assert all(user["events"] > 0 for user in users)


def test_the_time_left_is_of_the_steps_or_of_the_budget() -> None:
    recorder = Recorder("sasrec", Budget(100.0, 10**6))
    recorder.curve("validation_ndcg@10", 10, 0.25)
    assert recorder.line(10, 4.0)["seconds_left"] == 70
    recorder.expect(40)
    line = recorder.line(10, 4.0)
    assert (line["step"], line["best_validation"], line["seconds_left"]) == ("10 of 40", 0.25, 12)


def test_mlflow_takes_every_name_that_a_run_may_have() -> None:
    from mlflow.utils.validation import _validate_metric_name, _validate_param_name

    for name in ("ndcg@10_of_lists_added", "the user's own habit", "all_ndcg@10", "é/ü"):
        _validate_param_name(mlflow_name(name))
        _validate_metric_name(mlflow_name(name))
