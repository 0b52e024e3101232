"""Allocation of campaigns to users for a day: a linear program, solved by SciPy's HiGHS.

With x the impressions of a campaign to a user, the plan maximises the sum of value * probability
of a response * x, subject to the campaigns' budgets, the frequency caps, and the attention of each
user that recommendations leave to ads. The dual prices are the value of one more unit of a budget
or of a user's attention. Serving starts pacing (pacing.py) from the budgets' prices.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from penchant.ads.campaigns import Campaigns, Floats
from penchant.errors import DataError


@dataclass(frozen=True)
class Plan:
    """``shown_UC``: impressions, mostly integers. ``worth``: the total expected value.
    ``budget_prices_C``, ``attention_prices_U``: dual prices."""

    shown_UC: Floats
    worth: float
    budget_prices_C: Floats
    attention_prices_U: Floats


def allocate(probability_UC: Floats, campaigns: Campaigns, attention_U: Floats) -> Plan:
    """The optimal plan. ``attention_U``: ads that each user may still see today.

    Raises DataError for probabilities outside [0, 1], for negative budgets, caps, values or
    attention, and for prices that are not positive.
    """
    _check(probability_UC, campaigns, attention_U)
    users, count = probability_UC.shape
    if not users or not count:
        return Plan(np.zeros((users, count)), 0.0, np.zeros(count), np.zeros(users))
    worth_UC = probability_UC * campaigns.value_C
    of_user = sp.kron(sp.eye(users), np.ones((1, count)), format="csr")
    of_campaign = sp.kron(np.ones((1, users)), sp.diags(campaigns.price_C), format="csr")
    solved = linprog(
        -worth_UC.ravel(),
        A_ub=sp.vstack([of_user, of_campaign]),
        b_ub=np.concatenate([attention_U, campaigns.budget_C]),
        bounds=np.stack([np.zeros(users * count), np.tile(campaigns.cap_C, users)], axis=1),
        method="highs",
    )
    prices = -solved.ineqlin.marginals
    return Plan(solved.x.reshape(users, count), float(-solved.fun), prices[users:], prices[:users])


def _check(probability_UC: Floats, campaigns: Campaigns, attention_U: Floats) -> None:
    inside = (probability_UC >= 0) & (probability_UC <= 1)
    if not inside.all():
        raise DataError(
            f"{int((~inside).sum())} predicted responses are outside [0, 1]",
            "train the response family again and check its calibration",
        )
    limits = {
        "budget": campaigns.budget_C,
        "cap": campaigns.cap_C,
        "value": campaigns.value_C,
        "attention": attention_U,
    }
    for name, values in limits.items():
        if not (np.isfinite(values) & (values >= 0)).all():
            raise DataError(f"a {name} is negative or not a number", f"fix the {name} given")
    if not (np.isfinite(campaigns.price_C) & (campaigns.price_C > 0)).all():
        raise DataError("an impression's price isn't positive", "fix the price given")
