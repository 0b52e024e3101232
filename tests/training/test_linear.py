"""The solvers against scikit-learn's, and against coefficients that were planted."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score

from training.evaluation.metrics.auc import auc
from training.evaluation.metrics.calibration import bins_of
from training.evaluation.response import expected_calibration_error, interval
from training.layers.responses.calibration import platt
from training.layers.responses.linear import logistic, ridge, sigmoid

WEIGHTS = np.array([1.5, -1.0, 0.5, 0.0])
BIAS = -0.7


def drawn(rows: int, seed: int = 0) -> tuple[sp.csr_matrix, np.ndarray]:
    """Answers of the planted weights, and a column without an entry beside their own."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, len(WEIGHTS)))
    label = random.random(rows) < sigmoid(matrix @ WEIGHTS + BIAS)
    return sp.csr_matrix(np.column_stack([matrix, np.zeros(rows)])), label.astype(float)


@pytest.mark.parametrize("penalty", [0.1, 10.0, 1000.0])
def test_optimum_equals_scikit_learn(penalty: float) -> None:
    matrix, label = drawn(500)
    ours = logistic(matrix, label, penalty)
    theirs = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=1000).fit(matrix, label)
    np.testing.assert_allclose(ours.weights_D, theirs.coef_[0], atol=2e-3)
    assert ours.intercept == pytest.approx(theirs.intercept_[0], abs=2e-3)
    target = matrix @ np.arange(5) + 3
    fitted = ridge(matrix, target, penalty)
    np.testing.assert_allclose(
        fitted.weights_D, Ridge(penalty, tol=1e-10).fit(matrix, target).coef_, atol=1e-5
    )


def test_recovers_planted_coefficients() -> None:
    matrix, label = drawn(20_000, seed=1)
    found = logistic(matrix, label, 0.01)
    np.testing.assert_allclose(found.weights_D[:4], WEIGHTS, atol=0.08)
    assert found.intercept == pytest.approx(BIAS, abs=0.06)


def test_warm_start_reaches_same_optimum() -> None:
    matrix, label = drawn(500)
    cold = logistic(matrix, label, 1.0)
    warm = logistic(matrix, label, 1.0, logistic(matrix, label, 100.0))
    np.testing.assert_allclose(warm.weights_D, cold.weights_D, atol=2e-3)


def test_separable_labels_give_finite_weights() -> None:
    matrix = sp.csr_matrix(np.array([[-1.0], [-2.0], [1.0], [2.0]]))
    found = logistic(matrix, np.array([0.0, 0.0, 1.0, 1.0]), 1e-3)
    assert np.isfinite(found.weights_D).all() and found.weights_D[0] > 1


def test_platt_calibrates_overconfident_logits() -> None:
    matrix, label = drawn(20_000)
    honest = matrix[:, :4] @ WEIGHTS + BIAS
    scale = platt(3 * honest + 2, label)
    assert scale.slope == pytest.approx(1 / 3, abs=0.02)
    off = expected_calibration_error(label, scale.of(3 * honest + 2))(np.ones((1, len(label))))
    assert off[0, 0] < 0.02


def test_platt_falls_back_to_rate_for_inverted_logits() -> None:
    matrix, label = drawn(1000)
    scale = platt(-(matrix[:, :4] @ WEIGHTS), label)
    assert scale.slope == 0
    assert scale.of(np.zeros(1))[0] == pytest.approx(label.mean(), abs=0.01)


def test_auc_with_ties_and_its_interval() -> None:
    matrix, label = drawn(800)
    score = np.round(matrix[:, :4] @ WEIGHTS, 0)
    found = interval(auc(label, score), np.arange(800) // 2, seed=0)
    assert found["mean"] == pytest.approx(roc_auc_score(label, score))
    assert found["low"] < found["mean"] < found["high"]


def test_equal_probabilities_share_a_bin() -> None:
    assert bins_of(np.array([0.5, 0.1, 0.5, 0.9]), 4).tolist() == [1, 0, 1, 3]
