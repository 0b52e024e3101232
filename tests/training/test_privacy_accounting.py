"""Accounting: published values, the two accountants against each other, and calibration."""

import math

import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from penchant.artifacts import Mechanism
from penchant.errors import UsageError
from training.privacy.accounting import (
    Guarantee,
    calibrated,
    epsilon_of,
    loss_epsilon,
    renyi_epsilon,
)

DELTA = 1e-6
ONE = Mechanism(noise_multiplier=4.53125)
UNLIKE = [Mechanism(noise_multiplier=4 + number / 3) for number in range(4)]
STEPS = Mechanism(noise_multiplier=1.0, sample_rate=0.05, steps=300)


def exact_epsilon(mechanisms: list[Mechanism], delta: float) -> float:
    """Of Gaussian mechanisms on all users: together they are one, of which the curve is known
    (Balle & Wang 2018, theorem 8)."""
    mu = math.sqrt(sum(each.steps / each.noise_multiplier**2 for each in mechanisms))

    def over(epsilon: float) -> float:
        low, high = -epsilon / mu - mu / 2, -epsilon / mu + mu / 2
        return float(norm.cdf(high) - math.exp(epsilon) * norm.cdf(low)) - delta

    return float(brentq(over, 0, 100))


@pytest.mark.parametrize("mechanisms", [[ONE], [ONE] * 30, UNLIKE, [*UNLIKE, ONE, ONE]])
def test_gaussian_mechanisms_compose_to_the_exact_epsilon(mechanisms: list[Mechanism]) -> None:
    exact = exact_epsilon(mechanisms, DELTA)
    assert exact <= epsilon_of(mechanisms, DELTA) <= 1.001 * exact


def test_steps_on_a_sample_compose_to_the_published_epsilons() -> None:
    """The tests of Opacus 1.6.0 have 6.7774 of its numerical accountant, which may err by 0.01, and
    7.3291 of its Rényi accountant."""
    published = Mechanism(noise_multiplier=1.5, sample_rate=0.04, steps=2250)
    assert loss_epsilon([published], 1e-5) == pytest.approx(6.7774, abs=0.015)
    assert renyi_epsilon([published], 1e-5) == pytest.approx(7.3291, rel=1e-3)


@pytest.mark.parametrize(
    ("mechanisms", "by_renyi"),
    [
        ([], 0.0),
        ([ONE], 0.99991),
        ([ONE] * 30, 6.47986),
        ([Mechanism(noise_multiplier=0.689453125)], 7.99800),
        ([STEPS], 7.27530),
        ([*UNLIKE, STEPS], None),
    ],
)
def test_distributions_of_losses_spend_no_more_than_renyi_divergences(
    mechanisms: list[Mechanism], by_renyi: float | None
) -> None:
    """``by_renyi``: figures of Opacus 1.6.0."""
    renyi = renyi_epsilon(mechanisms, DELTA)
    assert by_renyi is None or renyi == pytest.approx(by_renyi, rel=0.01)
    assert 0.85 * renyi <= loss_epsilon(mechanisms, DELTA) <= renyi
    assert epsilon_of(mechanisms, DELTA) == loss_epsilon(mechanisms, DELTA)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0])
def test_calibrated_mechanisms_spend_all_that_they_may(epsilon: float) -> None:
    shape = (
        Mechanism(noise_multiplier=3),
        Mechanism(noise_multiplier=1, sample_rate=0.1, steps=20),
    )
    first, second = calibrated(shape, Guarantee(epsilon, DELTA))
    assert 0.98 * epsilon < epsilon_of([first, second], DELTA) <= epsilon
    assert first.noise_multiplier == pytest.approx(3 * second.noise_multiplier)
    assert (second.sample_rate, second.steps) == (0.1, 20)


def test_an_epsilon_beyond_the_accountant_is_refused() -> None:
    with pytest.raises(UsageError, match=r"must be at least [\d.e-]+ at delta 1e-06, got 1e-05"):
        calibrated((ONE,), Guarantee(1e-5, DELTA))
