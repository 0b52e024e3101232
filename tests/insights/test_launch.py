"""Launch plans: impressions to the best users, exploration with known chances, within a cost."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow.csv as pacsv
import pytest
from planted_launches import SNAPSHOT, write_shop

from penchant.errors import NothingToDo, UnknownId, UsageError
from penchant.insights.audience.launch import (
    LaunchBudget,
    Response,
    plan_impressions,
    plan_launch,
)
from penchant.insights.audience.stage import rank_audiences
from penchant.settings import Settings
from penchant.subjects import Subjects


@pytest.fixture(scope="module")
def ranked_once(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(_env_file=None, home=tmp_path_factory.mktemp("launch") / "home", threads=1)
    write_shop(settings)
    rank_audiences(settings, SNAPSHOT)
    return settings


def response(users: int = 400) -> Response:
    """A feature that decides, one that a tenth of the users has, and the constant."""
    random = np.random.default_rng(0)
    rare_U = np.arange(users) % 10 == 0
    features_UD = np.column_stack([random.normal(size=users), rare_U, np.ones(users)])
    return Response(features_UD, np.array([1.0, 0.0, -3.0]))


def test_impressions_go_to_tea_drinkers_and_cost_at_most_the_budget(
    ranked_once: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "launch.csv"
    budget = LaunchBudget(budget=20.4, price=0.5, explore=0.25, cap=2)
    expected = plan_launch(ranked_once, SNAPSHOT, "new0", budget, path)
    rows = pacsv.read_csv(path).to_pylist()
    assert expected["impressions"] == sum(row["impressions"] for row in rows) == 40
    assert expected["cost"] == 20.0 and expected["explore"] == 10
    best = [row for row in rows if row["purpose"] == "best"]
    assert np.mean([int(row["user_id"][1:]) % 2 == 0 for row in best]) > 0.8
    assert {row["propensity"] for row in best} == {1.0}
    assert all(0 < row["propensity"] <= 1 for row in rows)
    assert max(row["impressions"] for row in rows) <= 2
    assert 0 < expected["expected_buyers"] < 40


def test_exploration_has_the_chances_that_it_says() -> None:
    plans = [plan_impressions(response(), LaunchBudget(60, 1.0, 0.5), seed) for seed in range(300)]
    assert {int(plan.explores_U.sum()) for plan in plans} == {30}
    drawn_U = np.mean([plan.explores_U for plan in plans], axis=0)
    free_U = plans[0].chance_U < 1
    assert np.abs(drawn_U - plans[0].chance_U)[free_U].max() < 0.12
    assert not plans[0].explores_U[plans[0].impressions_U > 1].any()


def test_exploration_prefers_users_who_tell_more() -> None:
    asked = response()
    plan = plan_impressions(asked, LaunchBudget(40, 1.0, 1.0), 0)
    rare_U = asked.features_UD[:, 1] > 0
    even = Response(asked.features_UD, np.array([0.0, 0.0, -3.0]))
    told_U = even.information(np.zeros(len(rare_U)))
    assert told_U[rare_U].mean() > told_U[~rare_U].mean()
    assert plan.explores_U.sum() == 40


def test_answers_move_what_is_believed_of_the_item() -> None:
    asked = response()
    rows = np.flatnonzero(asked.features_UD[:, 1] > 0)
    learned = asked.learned(rows, np.ones(len(rows), bool))
    assert learned.weights_D[1] > asked.weights_D[1]
    assert learned.probability_U[rows].mean() > asked.probability_U[rows].mean()


@pytest.mark.parametrize(
    ("budget", "cause"),
    [
        (LaunchBudget(0, 1.0), "budget: 0 buys no impression"),
        (LaunchBudget(-5, 1.0), "budget: -5 buys no impression"),
        (LaunchBudget(float("nan"), 1.0), "budget: nan"),
        (LaunchBudget(10, 0.0), "price: must be above 0, got 0"),
        (LaunchBudget(10, 1.0, explore=1.5), "explore: must be from 0 to 1, got 1.5"),
        (LaunchBudget(10, 1.0, cap=0), "cap: must be at least 1, got 0"),
    ],
)
def test_invalid_budget_is_refused(
    ranked_once: Settings, tmp_path: Path, budget: LaunchBudget, cause: str
) -> None:
    with pytest.raises(UsageError, match=cause):
        plan_launch(ranked_once, SNAPSHOT, "new0", budget, tmp_path / "launch.csv")


def test_items_that_are_not_new_and_homes_without_audiences(
    ranked_once: Settings, settings: Settings, tmp_path: Path
) -> None:
    budget, path = LaunchBudget(10, 1.0), tmp_path / "launch.csv"
    with pytest.raises(UnknownId, match="'Tea old 1' is not new"):
        plan_launch(ranked_once, SNAPSHOT, "Tea old 1", budget, path)
    write_shop(settings)
    with pytest.raises(NothingToDo, match="no launch audiences are published"):
        plan_launch(settings, SNAPSHOT, "new0", budget, path)


def test_users_who_object_are_left_out(settings: Settings, tmp_path: Path) -> None:
    write_shop(settings)
    rank_audiences(settings, SNAPSHOT)
    Subjects(settings).request("object", "u0", datetime(2024, 4, 2))
    path = tmp_path / "launch.csv"
    plan_launch(settings, SNAPSHOT, "new0", LaunchBudget(500, 1.0), path)
    users = pacsv.read_csv(path)["user_id"].to_pylist()
    assert "u0" not in users and len(users) > 50
