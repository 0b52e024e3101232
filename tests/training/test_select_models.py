"""The promotion rule, on planted figures."""

import numpy as np
import pytest
from records import run_record

from penchant.artifacts import ModelSelection
from penchant.errors import PenchantError
from penchant.settings import Settings
from training.commands.select_models import Run, select, select_models
from training.commands.train import train
from training.names import MAIN_JOB

VECTORS = {"matrix_factorization", "sasrec"}


def run(family: str, gain: float, noise: float = 0.05) -> Run:
    """A run whose users' NDCG is that of popularity plus a gain, give or take."""
    users = [f"u{user:03}" for user in range(400)]
    base = np.random.default_rng(0).uniform(0, 0.5, 400)
    own = np.random.default_rng(len(family)).normal(0, noise, 400)
    values = base + gain + (own - own.mean())
    interval = {"mean": 0.0, "low": 0.0, "high": 0.0}
    record = run_record(
        family=family,
        run_id=f"{family}-run",
        capabilities=("ranks", "vectors") if family in VECTORS else ("ranks",),
        validation_metrics={"all": {"ndcg@10": interval}},
    )
    return Run(record, dict(zip(users, values, strict=True)))


def selected(*runs: Run) -> ModelSelection:
    return select("s", [run("popularity", 0, 0), *runs], {}, seed=0)


def test_selects_the_best_significantly_better_family() -> None:
    selection = selected(run("item_cf", 0.1), run("matrix_factorization", 0.05), run("sasrec", 0.2))
    assert (selection.ranker, selection.retriever) == ("sasrec-run", "sasrec-run")


def test_selects_the_best_family_with_vectors_as_retriever() -> None:
    selection = selected(run("item_cf", 0.2), run("matrix_factorization", 0.1))
    assert (selection.ranker, selection.retriever) == ("item_cf-run", "matrix_factorization-run")


def test_keeps_cheaper_family_without_significant_gain() -> None:
    selection = selected(run("item_cf", 0.1), run("sasrec", 0.101))
    assert selection.ranker == "item_cf-run"
    assert any("sasrec does not beat item_cf" in reason for reason in selection.reasons)


def test_popularity_serves_where_no_family_is_significantly_better() -> None:
    selection = selected(run("item_cf", 0.001), run("matrix_factorization", -0.1))
    assert (selection.ranker, selection.retriever) == ("popularity-run", None)
    assert "ranker: popularity serves, no family is significantly better" in selection.reasons


def test_selection_does_not_depend_on_the_order_of_runs() -> None:
    runs = [run("popularity", 0, 0), run("item_cf", 0.1), run("sasrec", 0.2)]
    assert select("s", runs, {}, 0) == select("s", runs[::-1], {}, 0)


def test_rejects_runs_evaluated_on_different_users() -> None:
    other = Run(run("item_cf", 0).record, {"u000": 1.0})
    with pytest.raises(PenchantError, match="different users"):
        selected(other)


def test_untrained_families_are_failures_and_popularity_is_required(
    planted: tuple[Settings, str],
) -> None:
    settings, snapshot_id = planted
    with pytest.raises(PenchantError, match="popularity has no run"):
        select_models(settings, snapshot_id)
    report = train(settings, snapshot_id, "popularity")
    selection = select_models(settings, snapshot_id)
    untrained = [name for name in MAIN_JOB if name != "popularity"]
    assert selection.failures == dict.fromkeys(untrained, "it was not trained")
    assert selection.ranker == selection.prior == report.run_id
    assert ModelSelection.of(settings, snapshot_id) == selection
    assert select_models(settings, snapshot_id) == selection


def test_family_over_budget_is_a_failure_until_it_is_trained(
    planted: tuple[Settings, str],
) -> None:
    settings, snapshot_id = planted
    train(settings, snapshot_id, "popularity")
    tight = settings.model_copy(update={"family_seconds": 1e-6})
    with pytest.raises(PenchantError):
        train(tight, snapshot_id, "item_cf")
    selection = select_models(settings, snapshot_id)
    assert selection.failures["item_cf"].startswith("training took more than its 0 s of ")
    train(settings, snapshot_id, "item_cf")
    assert "item_cf" not in select_models(settings, snapshot_id).failures


def test_selects_a_family_that_learned_the_planted_preferences(
    copied: tuple[Settings, str],
) -> None:
    selection = select_models(*copied)
    assert selection.failures == {}
    assert not selection.ranker.startswith("popularity")
    assert selection.retriever is not None
