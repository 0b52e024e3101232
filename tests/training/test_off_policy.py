"""Estimators equal closed forms, intervals cover the truth, and invalid logs are rejected."""

import numpy as np
import pyarrow as pa
import pytest

from penchant.errors import DataError
from training.data.policy_log import check_columns
from training.evaluation.metrics.off_policy import (
    Logged,
    doubly_robust,
    empirical_bernstein,
    estimates,
    logged,
    switch_threshold,
)

CLICKED = np.array([0.1, 0.3, 0.6])  # of three actions
SHOWN, EVALUATED = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.2, 0.7])
TRUTH = float(EVALUATED @ CLICKED)


def a_log(seed: int, rows: int = 400, model: np.ndarray = CLICKED) -> Logged:
    random = np.random.default_rng(seed)
    action_N = random.choice(3, rows, p=SHOWN)
    reward_N = (random.random(rows) < CLICKED[action_N]) * 1.0
    return logged(
        reward_N,
        SHOWN[action_N],
        EVALUATED[action_N],
        model[action_N],
        np.full(rows, float(EVALUATED @ model)),
    )


def by_hand(**others: float) -> Logged:
    """Two rows: weights 2 and 0.5, rewards 1 and 0, the model says 0.5 and 0.25, values 0.4."""
    return logged(
        np.array([1.0, 0.0]),
        np.array([0.25, 0.5]),
        np.array([0.5, 0.25]),
        np.array([0.5, 0.25]),
        np.array([0.4, 0.4]),
    )


def test_estimators_equal_values_by_hand() -> None:
    found = estimates(by_hand(), 0, clip=1.5, resamples=100)
    assert found["IPS"].value == pytest.approx((2 * 1 + 0.5 * 0) / 2)
    assert found["clipped IPS"].value == pytest.approx(1.5 / 2)
    assert found["SNIPS"].value == pytest.approx(2 / 2.5)
    assert found["DM"].value == pytest.approx(0.4)
    assert found["DR"].value == pytest.approx(0.4 + (2 * 0.5 - 0.5 * 0.25) / 2)
    switched = doubly_robust(by_hand(), threshold=1.0)
    np.testing.assert_allclose(switched, [0.4, 0.4 - 0.5 * 0.25])
    assert by_hand().effective_size == pytest.approx(2.5**2 / 4.25)


def test_logging_policy_itself_has_the_mean_reward() -> None:
    log = logged(np.array([1.0, 0, 1]), np.array([0.2, 0.5, 0.3]), np.array([0.2, 0.5, 0.3]))
    found = estimates(log, 0, clip=10, resamples=100)
    for name in ("IPS", "clipped IPS", "SNIPS", "DR", "switch-DR"):
        assert found[name].value == pytest.approx(2 / 3), name


def test_doubly_robust_is_unbiased_with_a_wrong_model() -> None:
    wrong = np.array([0.9, 0.9, 0.0])
    means = [doubly_robust(a_log(seed, model=wrong)).mean() for seed in range(200)]
    assert np.mean(means) == pytest.approx(TRUTH, abs=0.02)
    means = [a_log(seed, model=wrong).value_N.mean() for seed in range(200)]
    assert abs(np.mean(means) - TRUTH) > 0.1, "the direct method has the model alone"


def test_intervals_have_nominal_coverage() -> None:
    repeats = 120
    covered = dict.fromkeys(("IPS", "SNIPS", "DR", "switch-DR"), 0)
    bounded = 0
    for seed in range(repeats):
        found = estimates(a_log(seed), seed, clip=10, largest_weight=3.5, resamples=200)
        for name in covered:
            covered[name] += found[name].low <= TRUTH <= found[name].high
        low, high = found["IPS"].bound_low, found["IPS"].bound_high
        assert low is not None and high is not None
        bounded += low <= TRUTH <= high
    for name, times in covered.items():
        assert 0.88 <= times / repeats <= 1.0, name  # 95 % within 3.5 deviations of 120 repeats
    assert bounded == repeats


def test_empirical_bernstein_bound_equals_value_by_hand() -> None:
    terms_N = np.array([0.0, 1.0] * 50)
    uncertain = np.log(4 / 0.05)
    margin = np.sqrt(2 * terms_N.var(ddof=1) * uncertain / 100) + 7 * uncertain / (3 * 99)
    assert empirical_bernstein(terms_N, 0, 1) == pytest.approx((0.5 - margin, 0.5 + margin))


def test_rows_of_one_slate_are_resampled_together() -> None:
    random = np.random.default_rng(0)
    reward_N = np.repeat((random.random(50) < 0.5) * 1.0, 8)
    even_N = np.full(400, 0.5)
    apart = estimates(logged(reward_N, even_N, even_N), 0, clip=10)["IPS"]
    together = estimates(
        logged(reward_N, even_N, even_N, units_N=np.repeat(np.arange(50), 8)), 0, clip=10
    )["IPS"]
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_switch_threshold_keeps_weights_of_low_variance() -> None:
    assert switch_threshold(a_log(0, rows=4000), most=1.0) >= 5.0  # none is above 3.5


@pytest.mark.parametrize(
    ("reward", "propensity", "probability", "says"),
    [
        (np.nan, 0.5, 0.5, "1 values of reward are missing"),
        (1.0, np.nan, 0.5, "1 values of propensity are missing"),
        (1.0, 0.0, 0.5, "1 propensities are 0 or less"),
        (1.0, 1.2, 0.5, "1 propensities are above 1"),
        (1.0, 0.5, 1.5, "1 probabilities of the evaluated policy are outside"),
        (1.0, 0.5, 0.0, "no support"),
    ],
)
def test_rejects_invalid_log(
    reward: float, propensity: float, probability: float, says: str
) -> None:
    with pytest.raises(DataError, match=says):
        logged(np.array([reward]), np.array([propensity]), np.array([probability]))


def test_log_without_propensities_names_the_missing_column() -> None:
    with pytest.raises(DataError, match="has no column propensity"):
        check_columns(pa.table({"clicked": [1.0]}))
    with pytest.raises(DataError, match="has no value in its column propensity"):
        check_columns(pa.table({"clicked": [1.0], "propensity": pa.array([None], pa.float64())}))
    with pytest.raises(DataError, match="no row"):
        logged(*(np.array([]) for _ in range(3)))
