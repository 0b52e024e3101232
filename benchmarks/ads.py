"""Value of paced and of greedy ad serving, as shares of the best plan of a synthetic day.

Users arrive in an unknown order, more of them in the evening; two campaigns of unequal value have
budgets for a part of them. The best plan is the linear program over all who came. Both policies
have the same budgets and caps; pacing starts from the prices of another day.
"""

from typing import Any

import numpy as np

from benchmarks.rows import Row, table
from penchant.ads.allocation import allocate
from penchant.ads.campaigns import Campaigns
from penchant.ads.pacing import Pacer, PacingConfig
from penchant.settings import Settings

TITLE = "Ad pacing"

DAYS, MOMENTS, VISITS, USERS = 20, 96, 4_000, 1_500
CAMPAIGNS = Campaigns(
    ("a", "b"),
    budget_C=np.array([400.0, 150.0]),
    price_C=np.array([1.0, 1.0]),
    value_C=np.array([1.0, 4.0]),
    cap_C=np.array([3.0, 2.0]),
)
CONFIG = PacingConfig(attention=12)
RESAMPLES = 1000


def measure(settings: Settings) -> dict[str, Any]:
    days_D4 = np.array([one_day(day) for day in range(DAYS)])
    rows = []
    for place, name in enumerate(("paced", "greedy, first come first served")):
        mean, low, high = interval(days_D4[:, place])
        target = None if place else ">= 0.9"
        rows += [
            Row(f"{name}: share of the best plan's value", mean, "", target),
            Row(f"{name}: its 95 % interval over {DAYS} days", f"{low:.3f} to {high:.3f}"),
            Row(
                f"{name}: share of budgets spent at half of the traffic",
                days_D4[:, 2 + place].mean(),
            ),
        ]
    return {"rows": [row.as_dict() for row in rows]}


def interval(values_D: np.ndarray) -> tuple[float, float, float]:
    """Mean and 95 % percentile bootstrap interval over days."""
    drawn = np.random.default_rng(0).choice(values_D, (RESAMPLES, DAYS)).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(values_D.mean()), float(low), float(high)


def page(figures: dict[str, Any]) -> str:
    return table(figures["rows"])


def one_day(seed: int) -> tuple[float, float, float, float]:
    """Shares of the best value by pacing and by greed, then of the budgets spent at half."""
    random = np.random.default_rng(seed)
    probability_VC, visitors_V = visits(random)
    before_VC, _ = visits(random)
    best = allocate(probability_VC, CAMPAIGNS, np.ones(VISITS)).worth
    prices_C = allocate(before_VC, CAMPAIGNS, np.ones(VISITS)).budget_prices_C
    moment_V = np.sort(np.floor(MOMENTS * random.beta(3, 2, VISITS)).astype(int))
    expected = np.floor(MOMENTS * random.beta(3, 2, VISITS)).astype(int)  # of the day before
    curve = np.cumsum(np.bincount(expected, minlength=MOMENTS)) / VISITS
    found = []
    for prices, rate in ((prices_C, CONFIG.rate), (np.zeros(2), 0.0)):
        config = PacingConfig(rate=rate, floor=CONFIG.floor if rate else 0.0, attention=12)
        pacer = Pacer.starting(CAMPAIGNS, config, curve, prices)
        value, half = 0.0, 0.0
        for visit in range(VISITS):
            while pacer.period < moment_V[visit]:
                pacer.end_period()
            ad = pacer.select(f"u{visitors_V[visit]}", probability_VC[visit])
            if ad is not None:
                place = CAMPAIGNS.ids.index(ad)
                value += probability_VC[visit, place] * CAMPAIGNS.value_C[place]
            if visit == VISITS // 2:
                half = float((pacer.spent_C / CAMPAIGNS.budget_C).mean())
        found.append((value / best, half))
    return found[0][0], found[1][0], found[0][1], found[1][1]


def visits(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """probability_VC of a response to each campaign, and visitors_V."""
    return random.beta(1, 9, (VISITS, 2)), random.integers(0, USERS, VISITS)
