"""The accountant agrees with dp-accounting 0.6.0's, and calibration keeps the guarantee."""

import pytest

from penchant.artifacts import Mechanism
from penchant.errors import UsageError
from training.privacy.accounting import Guarantee, calibrated, epsilon_of

DELTA = 1e-6
ONE = Mechanism(noise_multiplier=4.53125)


@pytest.mark.parametrize(
    ("mechanisms", "epsilon"),
    [
        ([], 0.0),
        ([ONE], 0.99991),
        ([ONE] * 30, 6.47986),
        ([Mechanism(noise_multiplier=0.689453125)], 7.99800),
        ([Mechanism(noise_multiplier=1.0, sample_rate=0.05, steps=300)], 7.27530),
    ],
)
def test_composition_agrees_with_dp_accounting(mechanisms: list[Mechanism], epsilon: float) -> None:
    assert epsilon_of(mechanisms, DELTA) == pytest.approx(epsilon, rel=0.01)


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
    with pytest.raises(UsageError, match=r"must be at least 0\.\d+ at delta 1e-06, got 0\.001"):
        calibrated((ONE,), Guarantee(0.001, DELTA))
