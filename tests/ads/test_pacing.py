"""A day of ads: budgets and caps hold, spending follows the traffic, and little worth is lost."""

import numpy as np
import pytest

from penchant.ads.allocation import allocate
from penchant.ads.campaigns import Campaigns
from penchant.ads.pacing import Pacer, PacingConfig
from penchant.errors import UsageError

MOMENTS, VISITS = 48, 25
CAMPAIGNS = Campaigns(
    ("a", "b"),
    budget_C=np.array([150.0, 60.0]),
    price_C=np.array([1.0, 1.0]),
    value_C=np.array([1.0, 4.0]),
    cap_C=np.array([3.0, 2.0]),
)
FREE = PacingConfig(attention=10**6)


def a_day(config: PacingConfig, seed: int = 0) -> tuple[Pacer, np.ndarray, float, float]:
    """The pacer after a day, what was spent by each moment, the worth, and the best plan's."""
    random = np.random.default_rng(seed)
    curve = np.arange(1, MOMENTS + 1) / MOMENTS
    probability_VC = random.beta(1, 9, (MOMENTS * VISITS, 2))
    plan = allocate(probability_VC, CAMPAIGNS, np.ones(len(probability_VC)))
    before = allocate(
        random.beta(1, 9, (MOMENTS * VISITS, 2)), CAMPAIGNS, np.ones(MOMENTS * VISITS)
    )
    pacer = Pacer.starting(CAMPAIGNS, config, curve, before.budget_prices_C)
    spent, worth = [], 0.0
    for visit, probability_C in enumerate(probability_VC):
        ad = pacer.select(f"u{random.integers(400)}", probability_C)
        if ad is not None:
            place = CAMPAIGNS.ids.index(ad)
            worth += probability_C[place] * CAMPAIGNS.value_C[place]
        if visit % VISITS == VISITS - 1:
            pacer.end_period()
            spent.append(pacer.spent_C.copy())
    return pacer, np.array(spent), worth, plan.worth


def test_respects_budgets_and_caps() -> None:
    pacer, *_ = a_day(FREE)
    assert (pacer.spent_C <= CAMPAIGNS.budget_C).all()
    for (_, campaign), times in pacer.seen.items():
        assert times <= CAMPAIGNS.cap_C[campaign]


def test_spending_follows_traffic_with_most_of_the_value() -> None:
    _, spent_TC, worth, best = a_day(FREE)
    half = spent_TC[MOMENTS // 2 - 1] / CAMPAIGNS.budget_C
    assert (half > 0.35).all() and (half < 0.65).all()
    assert (spent_TC[-1] / CAMPAIGNS.budget_C > 0.85).all()
    assert worth > 0.85 * best


def test_recommendations_reduce_attention_for_ads() -> None:
    config = PacingConfig(attention=10, ad_attention=4)
    pacer = Pacer.starting(CAMPAIGNS, config, np.ones(1), np.zeros(2))
    probability_C = np.array([0.9, 0.0])
    assert pacer.select("ann", probability_C) == "a"
    pacer.recommended("ann", 3)
    assert pacer.select("ann", probability_C) is None
    assert pacer.select("bob", probability_C) == "a"


def test_rejects_an_invalid_traffic_curve() -> None:
    with pytest.raises(UsageError, match="rise to 1"):
        Pacer.starting(CAMPAIGNS, FREE, np.array([0.5, 0.2]), np.zeros(2))
