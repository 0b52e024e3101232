"""How much Gaussian mechanisms spend together, by dp-accounting.

The privacy losses of all mechanisms are discretized, rounded so that the guarantee is never
overstated, and convolved (privacy loss distributions: Koskela et al. 2020; Doroshenko et al.
2022), for a user who is added and for one who is removed. Rényi divergences (Mironov 2017; Mironov
et al. 2019; Balle et al. 2020) bound the same epsilon from above, so the smaller of the two holds.
Either composes mechanisms of any noise and sample rate, so an entry of the ledger needs only its
mechanisms, and the total is never a sum of epsilons.
"""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from penchant.artifacts import Mechanism
from penchant.errors import UsageError

ORDERS = (*range(2, 33), 40, 48, 64, 96, 128, 256, 512)  # whole ones: the others are slow
LOSS_STEP = 1e-3  # of discrete losses, for epsilons up to FINE; above in proportion to epsilon
FINE = 10.0
PRECISION = 1e-3  # of a calibrated noise multiplier, relative
MOST_NOISE = 1e4


@dataclass(frozen=True)
class Guarantee:
    """What one training run may spend: (epsilon, delta)-differential privacy for each user."""

    epsilon: float
    delta: float


def epsilon_of(mechanisms: Sequence[Mechanism], delta: float) -> float:
    """The epsilon of all mechanisms together at this delta; 0 for none."""
    return min(loss_epsilon(mechanisms, delta), renyi_epsilon(mechanisms, delta))


def loss_epsilon(mechanisms: Sequence[Mechanism], delta: float) -> float:
    """By the distributions of privacy loss. A coarser step only overstates the epsilon."""
    step = LOSS_STEP * max(1.0, renyi_epsilon(mechanisms, delta) / FINE)
    accountant = _dp_accounting().pld.PLDAccountant(value_discretization_interval=step)
    return _composed(accountant, mechanisms, delta)


def renyi_epsilon(mechanisms: Sequence[Mechanism], delta: float) -> float:
    """By Rényi divergences."""
    return _composed(_dp_accounting().rdp.RdpAccountant(ORDERS), mechanisms, delta)


def _composed(accountant: Any, mechanisms: Sequence[Mechanism], delta: float) -> float:
    for each, times in Counter(mechanisms).items():
        accountant.compose(_event(each), times * each.steps)
    return max(0.0, float(accountant.get_epsilon(delta))) if mechanisms else 0.0


def _event(mechanism: Mechanism) -> Any:
    gaussian = _dp_accounting().GaussianDpEvent(mechanism.noise_multiplier)
    if mechanism.sample_rate == 1:
        return gaussian
    return _dp_accounting().PoissonSampledDpEvent(mechanism.sample_rate, gaussian)


def _dp_accounting() -> Any:
    """The package. Raises UsageError where it isn't installed."""
    try:
        import dp_accounting.pld  # a second of imports, for these runs alone
        import dp_accounting.rdp
    except ModuleNotFoundError as error:
        raise UsageError(
            f"training under differential privacy needs {error.name}, which isn't installed",
            f"run `{sys.executable} -m pip install --no-deps dp-accounting==0.6.0`: its "
            "requirement of attrs excludes Airflow's, so pip doesn't resolve it",
        ) from None
    return dp_accounting


@cache
def calibrated(shape: tuple[Mechanism, ...], guarantee: Guarantee | None) -> tuple[Mechanism, ...]:
    """The mechanisms with the least noise that keep the guarantee.

    ``shape``: their noise multipliers in proportion to each other. Raises UsageError for an epsilon
    that the accountant can't show with any noise: its losses are discrete. ValueError without a
    guarantee.
    """
    if guarantee is None:
        raise ValueError("the family's config has no privacy")
    epsilon, delta = guarantee.epsilon, guarantee.delta

    def scaled(scale: float) -> tuple[Mechanism, ...]:
        return tuple(
            each.model_copy(update={"noise_multiplier": scale * each.noise_multiplier})
            for each in shape
        )

    def enough_by_renyi(scale: float) -> bool:
        return renyi_epsilon(scaled(scale), delta) <= epsilon

    def enough(scale: float) -> bool:
        return epsilon_of(scaled(scale), delta) <= epsilon

    if not enough(MOST_NOISE):
        raise UsageError(
            f"PENCHANT_DP_EPSILON: must be at least {epsilon_of(scaled(MOST_NOISE), delta):.2g} "
            f"at delta {delta:g}, got {epsilon:g}",
            "raise it, or PENCHANT_DP_DELTA",
        )
    known = MOST_NOISE
    if enough_by_renyi(known):  # which is fast, and at most a little more than what is needed
        known = _least(enough_by_renyi, known, 0.5, 0.02)
    return scaled(_least(enough, known, 0.9, PRECISION))


def _least(enough: Callable[[float], bool], known: float, share: float, precision: float) -> float:
    """The smallest number that is enough, to a relative ``precision``.

    ``known``: one that is enough. ``share``: of it, the next that is tried.
    """
    low, high = share * known, known
    while enough(low):
        low, high = share * low, low
    while high - low > precision * high:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
