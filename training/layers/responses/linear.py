"""Linear and logistic regression with a squared penalty, solved to the end, on sparse matrices.

The intercept is never penalised. Both are deterministic: nothing is drawn.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse as sp

Doubles = npt.NDArray[np.float64]

NEWTON_STEPS = 50
HALVINGS = 30
NEAR_ENOUGH = 0.2  # of the gradient, what a Newton step may leave
DONE = 1e-3
"""A fit ends when the gradient is this small, beside that of no weights at all."""


@dataclass(frozen=True)
class Linear:
    """``weights_D`` and ``intercept`` of x·w + b."""

    weights_D: Doubles
    intercept: float

    def of(self, matrix_ND: sp.csr_matrix) -> Doubles:
        return matrix_ND @ self.weights_D + self.intercept


def ridge(
    matrix_ND: sp.csr_matrix, target_N: Doubles, penalty: float, weight_N: Doubles | None = None
) -> Linear:
    """Least squares with penalty |w|², by the normal equations of the columns that have an entry.

    ``weight_N``: of each row's squared error; 1 where not given.
    """
    weight_N = np.ones(len(target_N)) if weight_N is None else weight_N
    used = np.flatnonzero(matrix_ND.getnnz(axis=0))
    matrix = matrix_ND[:, used]
    weighed = matrix.multiply(weight_N[:, None]).tocsr()
    total = weight_N.sum()
    mean = np.asarray(weighed.sum(axis=0)).ravel() / total
    target = float(weight_N @ target_N) / total
    gram = (weighed.T @ matrix).toarray() - total * np.outer(mean, mean)
    gram[np.diag_indices_from(gram)] += penalty
    moment = weighed.T @ (target_N - target)
    weights_D = np.zeros(matrix_ND.shape[1])
    weights_D[used] = scipy.linalg.solve(gram, moment, assume_a="pos")
    return Linear(weights_D, target - float(mean @ weights_D[used]))


def logistic(
    matrix_ND: sp.csr_matrix, label_N: Doubles, penalty: float, start: Linear | None = None
) -> Linear:
    """Minimise log loss summed over rows, plus penalty/2 |w|², from ``start`` where one is given.

    Newton's method with conjugate gradients in each step (Lin, Weng and Keerthi 2008, "Trust Region
    Newton Method for Large-Scale Logistic Regression", with a line search in place of the region).
    The same optimum as scikit-learn's LogisticRegression with C = 1/penalty.
    """
    problem = _Logistic(matrix_ND, label_N, penalty)
    at = problem.at(np.append(np.zeros(matrix_ND.shape[1]), _logit(label_N.mean())))
    enough = DONE * max(float(np.linalg.norm(at.gradient_P)), 1e-12)
    if start is not None:
        at = problem.at(np.append(start.weights_D, start.intercept))
    for _ in range(NEWTON_STEPS):
        if np.linalg.norm(at.gradient_P) <= enough:
            break
        further = problem.along(at, problem.newton(at))
        if further is None:  # no digit is left to gain
            break
        at = further
    return Linear(at.parameters_P[:-1], float(at.parameters_P[-1]))


def sigmoid(logit_N: Doubles) -> Doubles:
    return 0.5 * (1 + np.tanh(0.5 * logit_N))


def _logit(rate: float) -> float:
    rate = np.clip(rate, 1e-9, 1 - 1e-9)
    return float(np.log(rate / (1 - rate)))


@dataclass(frozen=True)
class _Point:
    """Parameters, the weights and then the intercept, with what follows from them."""

    parameters_P: Doubles
    logit_N: Doubles
    loss: float
    gradient_P: Doubles
    curve_N: Doubles


class _Logistic:
    """The objective, with few products of the matrix: they are what takes the time."""

    def __init__(self, matrix_ND: sp.csr_matrix, label_N: Doubles, penalty: float) -> None:
        self.matrix, self.label_N, self.penalty = matrix_ND, label_N, penalty
        self.transposed = matrix_ND.T
        self.squares = matrix_ND.power(2).T

    def at(self, parameters_P: Doubles, logit_N: Doubles | None = None) -> _Point:
        if logit_N is None:
            logit_N = self._through(parameters_P)
        rate_N = sigmoid(logit_N)
        return _Point(
            parameters_P,
            logit_N,
            self._loss(parameters_P, logit_N),
            self._back(rate_N - self.label_N, parameters_P),
            rate_N * (1 - rate_N),
        )

    def newton(self, at: _Point) -> Doubles:
        """The step that takes the quadratic model there to its end, or near enough."""
        diagonal_P = np.append(
            self.squares @ at.curve_N + self.penalty, max(float(at.curve_N.sum()), 1e-12)
        )
        size = float(np.linalg.norm(at.gradient_P))
        step_P, left_P = np.zeros_like(diagonal_P), -at.gradient_P
        scaled_P = left_P / diagonal_P
        way_P, product = scaled_P, float(left_P @ scaled_P)
        for _ in range(len(step_P)):
            curved_P = self._back(at.curve_N * self._through(way_P), way_P)
            length = product / float(way_P @ curved_P)
            step_P = step_P + length * way_P
            left_P = left_P - length * curved_P
            if np.linalg.norm(left_P) <= NEAR_ENOUGH * size:
                break
            scaled_P = left_P / diagonal_P
            product, before = float(left_P @ scaled_P), product
            way_P = scaled_P + product / before * way_P
        return step_P

    def along(self, at: _Point, step_P: Doubles) -> _Point | None:
        """As far along the step as makes it better: all of it, or halves."""
        through_N, slope = self._through(step_P), float(at.gradient_P @ step_P)
        for halving in range(HALVINGS):
            length = 0.5**halving
            parameters_P = at.parameters_P + length * step_P
            logit_N = at.logit_N + length * through_N
            if self._loss(parameters_P, logit_N) <= at.loss + 1e-4 * length * slope:
                return self.at(parameters_P, logit_N)
        return None

    def _loss(self, parameters_P: Doubles, logit_N: Doubles) -> float:
        losses = np.logaddexp(0, logit_N).sum() - self.label_N @ logit_N
        return float(losses + 0.5 * self.penalty * parameters_P[:-1] @ parameters_P[:-1])

    def _through(self, parameters_P: Doubles) -> Doubles:
        return self.matrix @ parameters_P[:-1] + parameters_P[-1]

    def _back(self, value_N: Doubles, parameters_P: Doubles) -> Doubles:
        return np.append(
            self.transposed @ value_N + self.penalty * parameters_P[:-1], value_N.sum()
        )
