"""The closed form is what a plain solution of the same problem gives."""

import numpy as np
import pytest
import scipy.sparse as sp

from training.families import ease
from training.families.ease import solve

ROWS, ITEMS, RIDGE = 40, 5, 3.0


@pytest.fixture
def rows() -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """What the model is given and what should come of it."""
    random = np.random.default_rng(0)
    inputs, outputs = (random.random((ROWS, ITEMS)) * random.integers(0, 2, (ROWS, ITEMS)),) * 2
    return sp.csr_matrix(inputs, dtype=np.float32), sp.csr_matrix(
        np.roll(outputs, 1, axis=1), dtype=np.float32
    )


def plain(inputs: sp.csr_matrix, outputs: sp.csr_matrix, held: bool) -> np.ndarray:
    """Each item by a ridge regression of its own, in float64; ``held``: never from itself."""
    x, y = inputs.toarray().astype(float), outputs.toarray().astype(float)
    weights = np.zeros((ITEMS, ITEMS))
    for item in range(ITEMS):
        of = [other for other in range(ITEMS) if not (held and other == item)]
        ridged = x[:, of].T @ x[:, of] + RIDGE * np.eye(len(of))
        weights[of, item] = np.linalg.solve(ridged, x[:, of].T @ y[:, item])
    return weights


@pytest.mark.parametrize("repeats", [False, True])
def test_predicts_next_items(rows: tuple[sp.csr_matrix, sp.csr_matrix], repeats: bool) -> None:
    inputs, outputs = rows
    difference = (inputs.T @ (inputs - outputs)).tocsr()
    weights = solve(ease.gram(inputs), RIDGE, difference, repeats)
    np.testing.assert_allclose(weights, plain(inputs, outputs, not repeats), atol=1e-5)


def test_self_prediction_equals_steck(
    rows: tuple[sp.csr_matrix, sp.csr_matrix],
) -> None:
    inputs, _ = rows
    weights = solve(ease.gram(inputs), RIDGE)
    np.testing.assert_allclose(weights, plain(inputs, inputs, True), atol=1e-5)
    np.testing.assert_allclose(weights.diagonal(), 0, atol=1e-6)


def test_blocks_do_not_change_result(
    rows: tuple[sp.csr_matrix, sp.csr_matrix], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, outputs = rows
    difference = ease.product(inputs, inputs - outputs)
    whole = solve(ease.gram(inputs), RIDGE, difference)
    monkeypatch.setattr(ease, "BLOCK", 2)
    blocked = solve(ease.gram(inputs), RIDGE, sp.csr_matrix(ease.product(inputs, inputs - outputs)))
    np.testing.assert_allclose(blocked, whole, atol=1e-5)


@pytest.mark.parametrize("cost", [0, 10**6])
def test_dense_and_sparse_gram_are_equal(
    rows: tuple[sp.csr_matrix, sp.csr_matrix], monkeypatch: pytest.MonkeyPatch, cost: int
) -> None:
    inputs, _ = rows
    monkeypatch.setattr(ease, "SPARSE_COST", cost)
    dense = inputs.toarray()
    np.testing.assert_allclose(ease.gram(inputs), dense.T @ dense, rtol=1e-5)
