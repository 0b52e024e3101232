"""BG/NBD: how often users buy, and whether they still do (Fader, Hardie and Lee, 2005, "Counting
Your Customers the Easy Way: An Alternative to the Pareto/NBD Model").

A user buys at a rate that is gamma distributed over users (r, alpha), and after each order leaves
for ever with a probability that is beta distributed (a, b). Times are in weeks.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln, hyp2f1

from penchant.errors import DataError
from penchant.insights.retention.history import Floats, Users

WEEK = 7.0
START = np.log([0.5, 4.0, 0.5, 2.0])
BOUNDS = [(-6.0, 8.0)] * 4


@dataclass(frozen=True)
class BgNbd:
    """``r`` and ``alpha`` of the rate, ``a`` and ``b`` of leaving after an order."""

    r: float
    alpha: float
    a: float
    b: float

    def alive(self, users: Users) -> Floats:
        """Probability that a user still buys."""
        x_U, last_U, age_U = _weeks(users)
        odds_U = (
            self.a
            / (self.b + np.maximum(x_U, 1) - 1)
            * np.exp((self.r + x_U) * np.log((self.alpha + age_U) / (self.alpha + last_U)))
        )
        return 1 / (1 + np.where(x_U > 0, odds_U, 0.0))

    def returns(self, users: Users, days: float) -> Floats:
        """Probability of an order in the next days: alive, and one at the rate that is known."""
        x_U, _, age_U = _weeks(users)
        none_U = np.exp(
            (self.r + x_U) * np.log((self.alpha + age_U) / (self.alpha + age_U + days / WEEK))
        )
        return self.alive(users) * (1 - none_U)

    def orders(self, users: Users, days: float) -> Floats:
        """Expected orders in the next days (equation 10)."""
        x_U, _, age_U = _weeks(users)
        ahead = days / WEEK
        z_U = ahead / (self.alpha + age_U + ahead)
        none_U = np.exp((self.r + x_U) * np.log1p(-z_U))
        hypergeometric_U = hyp2f1(self.r + x_U, self.b + x_U, self.a + self.b + x_U - 1, z_U)
        factor_U = (self.a + self.b + x_U - 1) / (self.a - 1)
        return np.maximum(factor_U * (1 - none_U * hypergeometric_U), 0.0) * self.alive(users)

    def silence(self, users: Users) -> Floats:
        """Probability that a user who still buys, at the pace of their own orders, would have been
        silent for as long as they are."""
        x_U, last_U, age_U = _weeks(users)
        ratio_U = (self.alpha + last_U) / (self.alpha + age_U)
        return np.exp((self.r + x_U) * np.log(ratio_U))


def fit_bg_nbd(users: Users) -> BgNbd:
    """Maximum likelihood. Raises DataError where no user has bought twice."""
    x_U, last_U, age_U = _weeks(users)
    if not (x_U > 0).any():
        raise DataError(
            f"none of {len(x_U)} users has bought on two days before {users.moment:%Y-%m-%d}",
            "wait for repeated purchases: without them nothing says how often users return",
        )

    def loss(logs: np.ndarray) -> float:
        return -_log_likelihood(BgNbd(*np.exp(logs)), x_U, last_U, age_U) / len(x_U)

    found = minimize(loss, START, method="L-BFGS-B", bounds=BOUNDS)
    return BgNbd(*(float(value) for value in np.exp(found.x)))


def _log_likelihood(model: BgNbd, x_U: Floats, last_U: Floats, age_U: Floats) -> float:
    """Equation 6, in logarithms."""
    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    rate_U = gammaln(r + x_U) - gammaln(r) + r * np.log(alpha)
    stay_U = gammaln(a + b) + gammaln(b + x_U) - gammaln(b) - gammaln(a + b + x_U)
    alive_U = -(r + x_U) * np.log(alpha + age_U)
    left_U = np.log(a) - np.log(b + np.maximum(x_U, 1) - 1) - (r + x_U) * np.log(alpha + last_U)
    either_U = np.where(x_U > 0, np.logaddexp(alive_U, left_U), alive_U)
    return float((rate_U + stay_U + either_U).sum())


def _weeks(users: Users) -> tuple[Floats, Floats, Floats]:
    """Repeat orders, and weeks from the first order to the last and to the moment."""
    age_U = users.age_U / WEEK
    return users.orders_U - 1, age_U - users.recency_U / WEEK, age_U
