"""Gamma-gamma: what a user spends in an order, between their own mean and that of all users (Fader
and Hardie, 2013, "The Gamma-Gamma Model of Monetary Value")."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln

from penchant.insights.retention.history import Floats, Users

BOUNDS = [(-4.0, 8.0)] * 3


@dataclass(frozen=True)
class GammaGamma:
    """Orders of a user are gamma distributed (p), with a rate that is gamma distributed over users
    (q, gamma)."""

    p: float
    q: float
    gamma: float

    def value(self, users: Users) -> Floats:
        """Expected money of the next order."""
        n_U, mean_U = users.orders_U, np.maximum(users.mean_value_U, 0.0)
        return self.p * (self.gamma + n_U * mean_U) / (self.p * n_U + self.q - 1)


def fit_gamma_gamma(users: Users) -> GammaGamma:
    """Maximum likelihood on users who spent money; money is scaled by its mean."""
    paid_U = users.mean_value_U > 0
    n_U, mean_U = users.orders_U[paid_U], users.mean_value_U[paid_U]
    if not len(n_U):
        return GammaGamma(1.0, 2.0, 0.0)  # nobody paid: every value is 0
    unit = float(mean_U.mean())
    m_U = mean_U / unit

    def loss(logs: np.ndarray) -> float:
        p, q, gamma = np.exp(logs[0]), 1 + np.exp(logs[1]), np.exp(logs[2])
        pn_U = p * n_U
        likelihood_U = (
            gammaln(pn_U + q)
            - gammaln(pn_U)
            - gammaln(q)
            + q * np.log(gamma)
            + (pn_U - 1) * np.log(m_U)
            + pn_U * np.log(n_U)
            - (pn_U + q) * np.log(gamma + n_U * m_U)
        )
        return -float(likelihood_U.mean())

    found = minimize(loss, np.log([1.0, 2.0, 1.0]), method="L-BFGS-B", bounds=BOUNDS)
    p, q, gamma = np.exp(found.x[0]), 1 + np.exp(found.x[1]), np.exp(found.x[2])
    return GammaGamma(float(p), float(q), float(gamma * unit))
