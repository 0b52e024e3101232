"""The plan of a day: the best there is, within budgets, caps and attention."""

import itertools

import numpy as np
import pytest

from penchant.ads.allocation import allocate
from penchant.ads.campaigns import Campaigns
from penchant.errors import DataError


def campaigns(**changes: list[float]) -> Campaigns:
    given = {"budget_C": [2.0, 1.0], "price_C": [1.0, 1.0], "value_C": [1.0, 3.0]}
    given |= {"cap_C": [1.0, 1.0]} | changes
    return Campaigns(("a", "b"), **{name: np.array(values) for name, values in given.items()})


def test_plan_equals_the_best_of_all_plans() -> None:
    probability_UC = np.array([[0.5, 0.3], [0.4, 0.1], [0.9, 0.2]])
    attention_U = np.ones(3)
    plan = allocate(probability_UC, campaigns(), attention_U)
    worth_UC = probability_UC * [1.0, 3.0]
    best = max(
        sum(worth_UC[user, ad] for user, ad in enumerate(shown) if ad is not None)
        for shown in itertools.product((0, 1, None), repeat=3)
        if shown.count(0) <= 2 and shown.count(1) <= 1
    )
    assert plan.worth == pytest.approx(best)
    assert plan.shown_UC.sum(axis=1).max() <= 1 + 1e-9
    assert (plan.shown_UC.sum(axis=0) <= [2 + 1e-9, 1 + 1e-9]).all()


def test_dual_prices_equal_the_marginal_value() -> None:
    random = np.random.default_rng(0)
    probability_UC, attention_U = random.random((40, 2)), np.ones(40)
    plan = allocate(probability_UC, campaigns(budget_C=[10.0, 5.0]), attention_U)
    more, less = (
        allocate(probability_UC, campaigns(budget_C=[10.0, budget]), attention_U).worth
        for budget in (6.0, 4.0)
    )
    price = plan.budget_prices_C[1]
    assert more - plan.worth <= price + 1e-9 <= plan.worth - less + 2e-9
    assert (plan.budget_prices_C >= 0).all() and (plan.attention_prices_U >= 0).all()


def test_plan_is_empty_without_users_or_campaigns() -> None:
    assert allocate(np.zeros((0, 2)), campaigns(), np.zeros(0)).worth == 0


@pytest.mark.parametrize(
    ("probability", "changes", "named"),
    [
        (1.5, {}, "outside"),
        (np.nan, {}, "outside"),
        (0.5, {"budget_C": [-1.0, 1.0]}, "budget"),
        (0.5, {"price_C": [0.0, 1.0]}, "price"),
    ],
)
def test_rejects_invalid_probabilities_and_limits(
    probability: float, changes: dict[str, list[float]], named: str
) -> None:
    with pytest.raises(DataError, match=named):
        allocate(np.full((1, 2), probability), campaigns(**changes), np.ones(1))
