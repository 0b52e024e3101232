"""The isotonic calibration of ranking models."""

import numpy as np
import pytest

from training.layers.ranking.published import POINTS, isotonic, probabilities, reliability

PAIRS = 200_000


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Raw scores that rank but are no logits, the probability of each, and labels drawn from it."""
    random = np.random.default_rng(seed)
    score_C = random.normal(size=PAIRS) * 3
    probability_C = 0.02 + 0.5 / (1 + np.exp(-2 * score_C))
    return score_C, probability_C, random.random(PAIRS) < probability_C


def test_probabilities_of_other_pairs_are_those_that_labels_were_drawn_from() -> None:
    score_C, _, label_C = drawn(0)
    calibration = isotonic(score_C, label_C)
    assert calibration is not None and len(calibration.scores) <= POINTS
    score_C, probability_C, label_C = drawn(1)
    found_C = probabilities(calibration, score_C)
    assert np.abs(found_C - probability_C).mean() < 0.005
    for predicted, observed in reliability(found_C, label_C):
        assert predicted == pytest.approx(observed, abs=0.03)


def test_calibration_keeps_the_order_and_bounds_what_it_never_saw() -> None:
    score_C, _, label_C = drawn(0)
    calibration = isotonic(score_C, label_C)
    assert calibration is not None
    found_N = probabilities(calibration, np.linspace(-1e6, 1e6, 1001))
    assert (np.diff(found_N) >= 0).all()
    assert found_N[0] == calibration.probabilities[0]
    assert found_N[-1] == calibration.probabilities[-1] <= 1


@pytest.mark.parametrize("label", [False, True])
def test_equal_labels_calibrate_nothing(label: bool) -> None:
    assert isotonic(np.arange(5.0), np.full(5, label)) is None
    assert isotonic(np.zeros(0), np.zeros(0, bool)) is None


def test_one_likely_pair_above_all_others_is_not_certain() -> None:
    """A curve through the pair with the highest score would end at 1."""
    score_C, _, label_C = drawn(0)
    label_C[score_C.argmax()] = True
    calibration = isotonic(score_C, label_C)
    assert calibration is not None and calibration.probabilities[-1] < 0.6


def test_few_pairs_with_equal_scores_are_calibrated() -> None:
    calibration = isotonic(np.array([1.0, 1.0, 2.0, 2.0]), np.array([False, True, True, True]))
    assert calibration is not None
    assert (calibration.scores, calibration.probabilities) == ((1.0, 2.0), (0.5, 1.0))
