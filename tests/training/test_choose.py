"""The rule that decides what goes live, on planted figures."""

import json

import numpy as np
import pytest

from penchant.errors import PenchantError
from penchant.settings import Settings
from training.commands.select_models import Choice, Run, choose, decide
from training.commands.train import train
from training.names import FAMILIES

VECTORS = {"matrix_factorization", "sasrec"}


def run(family: str, gain: float, noise: float = 0.05) -> Run:
    """A run whose users' NDCG is that of popularity plus a gain, give or take."""
    users = [f"u{user:03}" for user in range(400)]
    base = np.random.default_rng(0).uniform(0, 0.5, 400)
    own = np.random.default_rng(len(family)).normal(0, noise, 400)
    values = base + gain + (own - own.mean())
    interval = {"mean": 0.0, "low": 0.0, "high": 0.0}
    record = {
        "capabilities": ["ranks", *(["vectors"] if family in VECTORS else [])],
        "metrics": {},
        "validation_metrics": {"all": {"ndcg@10": interval}},
    }
    return Run(family, f"{family}-run", record, dict(zip(users, values, strict=True)))


def decided(*runs: Run) -> Choice:
    return decide("s", [run("popularity", 0, 0), *runs], {}, seed=0)


def test_the_best_that_is_better_by_more_than_its_interval_goes_live() -> None:
    choice = decided(run("item_cf", 0.1), run("matrix_factorization", 0.05), run("sasrec", 0.2))
    assert (choice.ranker, choice.retriever) == ("sasrec-run", "sasrec-run")


def test_the_retriever_is_the_best_with_vectors() -> None:
    choice = decided(run("item_cf", 0.2), run("matrix_factorization", 0.1))
    assert (choice.ranker, choice.retriever) == ("item_cf-run", "matrix_factorization-run")


def test_a_costlier_family_must_beat_the_cheaper_by_more_than_its_interval() -> None:
    choice = decided(run("item_cf", 0.1), run("sasrec", 0.101))
    assert choice.ranker == "item_cf-run"
    assert any("sasrec does not beat item_cf" in reason for reason in choice.reasons)


def test_popularity_serves_where_nothing_beats_it_and_the_choice_says_why() -> None:
    choice = decided(run("item_cf", 0.001), run("matrix_factorization", -0.1))
    assert (choice.ranker, choice.retriever) == ("popularity-run", None)
    assert "ranker: popularity serves, nothing beats it by more than its interval" in choice.reasons


def test_the_choice_is_the_same_whatever_the_order() -> None:
    runs = [run("popularity", 0, 0), run("item_cf", 0.1), run("sasrec", 0.2)]
    assert decide("s", runs, {}, 0) == decide("s", runs[::-1], {}, 0)


def test_runs_judged_on_different_users_are_not_compared() -> None:
    other = Run("item_cf", "item_cf-run", run("item_cf", 0).record, {"u000": 1.0})
    with pytest.raises(PenchantError, match="different users"):
        decided(other)


def test_families_that_failed_are_missing_and_popularity_must_not(
    planted: tuple[Settings, str],
) -> None:
    settings, snapshot_id = planted
    with pytest.raises(PenchantError, match="popularity has no run"):
        choose(settings, snapshot_id)
    report = train(settings, snapshot_id, "popularity")
    choice = choose(settings, snapshot_id)
    assert choice.missing == tuple(name for name in FAMILIES if name != "popularity")
    assert "item_cf has no run: it was not trained" in choice.reasons
    assert choice.ranker == choice.prior == report.run_id
    written = json.loads((settings.runs / snapshot_id / "choice.json").read_text())
    assert written["choice_id"] == choice.choice_id
    assert choose(settings, snapshot_id) == choice


def test_a_family_over_its_budget_is_reported_and_stops_no_other(
    planted: tuple[Settings, str],
) -> None:
    settings, snapshot_id = planted
    train(settings, snapshot_id, "popularity")
    tight = settings.model_copy(update={"family_seconds": 1e-6})
    with pytest.raises(PenchantError):
        train(tight, snapshot_id, "item_cf")
    choice = choose(settings, snapshot_id)
    assert "item_cf" in choice.missing
    assert "item_cf has no run: training took more than its 0 s of CPU time" in choice.reasons
    train(settings, snapshot_id, "item_cf")
    assert "item_cf" not in choose(settings, snapshot_id).missing


def test_the_planted_taste_goes_live(copied: tuple[Settings, str]) -> None:
    choice = choose(*copied)
    assert choice.missing == ()
    assert not choice.ranker.startswith("popularity")
    assert choice.retriever is not None
