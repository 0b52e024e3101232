"""Intervals that may be looked at daily: wrong at any look about as rarely as promised."""

import numpy as np
import pytest

from penchant.bandits.experiments.sequential import difference
from penchant.errors import DataError


def ever_decided(effect: float, seed: int) -> str:
    """The first result that isn't open, in twenty evaluations."""
    random = np.random.default_rng(seed)
    treatment, control = random.exponential(1.0, (2, 4000))
    for look in range(200, 4001, 200):
        result = difference(treatment[:look] + effect, control[:look]).result
        if result != "open":
            return result
    return "open"


def test_without_an_effect_it_stays_open_at_all_looks() -> None:
    decided = [ever_decided(0.0, seed) for seed in range(200)]
    assert sum(result != "open" for result in decided) <= 0.05 * 200


@pytest.mark.parametrize(("effect", "result"), [(0.3, "better"), (-0.3, "worse")])
def test_an_effect_is_found_in_its_direction(effect: float, result: str) -> None:
    assert {ever_decided(effect, seed) for seed in range(20)} == {result}


def test_an_arm_of_nobody_is_refused() -> None:
    with pytest.raises(DataError, match="control arm has 0 users"):
        difference(np.ones(3), np.ones(0))
