"""How much Gaussian mechanisms spend together, by Opacus's Rényi accountant.

Rényi divergences add up over mechanisms (Mironov 2017), Poisson sampling of users lowers them
(Mironov et al. 2019), and the sum is converted to (epsilon, delta) (Balle et al. 2020). So the
ledger composes runs of different mechanisms, and dp-accounting gives the same figures
(docs/adr/0033-differential-privacy.md).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from penchant.artifacts import Mechanism
from penchant.errors import UsageError

ORDERS = np.array(
    [
        *(1 + tenth / 10 for tenth in range(1, 10)),
        *(half / 2 for half in range(4, 24)),
        *range(12, 33),
        *(40, 48, 64, 96, 128, 256, 512),
    ]
)
PRECISION = 1e-3  # of a calibrated noise multiplier, relative
MOST_NOISE = 1e4


@dataclass(frozen=True)
class Guarantee:
    """What one training run may spend: (epsilon, delta)-differential privacy for each user."""

    epsilon: float
    delta: float


def epsilon_of(mechanisms: Sequence[Mechanism], delta: float) -> float:
    """The epsilon of all mechanisms together at this delta; 0 for none."""
    from opacus.accountants.analysis.rdp import (  # two seconds of imports, for these runs alone
        compute_rdp,
        get_privacy_spent,
    )

    if not mechanisms:
        return 0.0
    spent = sum(
        np.asarray(
            compute_rdp(
                q=each.sample_rate,
                noise_multiplier=each.noise_multiplier,
                steps=each.steps,
                orders=ORDERS,
            )
        )
        for each in mechanisms
    )
    with warnings.catch_warnings(action="ignore"):  # of the order being the last: still a bound
        epsilon, _ = get_privacy_spent(orders=ORDERS, rdp=spent, delta=delta)
    return max(0.0, float(epsilon))


@cache
def calibrated(shape: tuple[Mechanism, ...], guarantee: Guarantee | None) -> tuple[Mechanism, ...]:
    """The mechanisms with the least noise that keep the guarantee.

    ``shape``: their noise multipliers in proportion to each other. Raises UsageError for an epsilon
    that the accountant can't show with any noise: the orders have an end. ValueError without a
    guarantee.
    """
    if guarantee is None:
        raise ValueError("the family's config has no privacy")

    def scaled(scale: float) -> tuple[Mechanism, ...]:
        return tuple(
            each.model_copy(update={"noise_multiplier": scale * each.noise_multiplier})
            for each in shape
        )

    least = epsilon_of(scaled(MOST_NOISE), guarantee.delta)
    if least > guarantee.epsilon:
        raise UsageError(
            f"PENCHANT_DP_EPSILON: must be at least {least:.3f} at delta {guarantee.delta:g}, got "
            f"{guarantee.epsilon:g}",
            "raise it, or PENCHANT_DP_DELTA",
        )
    low, high = 0.0, 1.0
    while epsilon_of(scaled(high), guarantee.delta) > guarantee.epsilon:
        low, high = high, 2 * high
    while high - low > PRECISION * high:
        middle = (low + high) / 2
        if epsilon_of(scaled(middle), guarantee.delta) > guarantee.epsilon:
            low = middle
        else:
            high = middle
    return scaled(high)
