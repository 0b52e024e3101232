"""Platt scaling: calibrated probabilities."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from training.layers.responses.linear import Linear, logistic, sigmoid

Doubles = npt.NDArray[np.float64]

FREE = 1e-6  # a penalty that only keeps two parameters finite


@dataclass(frozen=True)
class Platt:
    """A logit z becomes the probability sigmoid(slope z + intercept)."""

    slope: float
    intercept: float

    def of(self, logit_N: Doubles) -> Doubles:
        return sigmoid(self.slope * logit_N + self.intercept)


def platt(logit_N: Doubles, label_N: Doubles) -> Platt:
    """Fit the two numbers on answers that the logits were not fitted on.

    Labels are drawn in by what one more answer of each kind would say (Platt 1999, "Probabilistic
    Outputs for Support Vector Machines", section 2.2). Where higher logits were answered less, the
    slope is 0 and all that is left is the rate.
    """
    answered = label_N.sum()
    high, low = (answered + 1) / (answered + 2), 1 / (len(label_N) - answered + 2)
    drawn_in_N = np.where(label_N > 0, high, low)
    fitted: Linear = logistic(sp.csr_matrix(logit_N[:, None]), drawn_in_N, FREE)
    if fitted.weights_D[0] <= 0:
        rate = drawn_in_N.mean()
        return Platt(0.0, float(np.log(rate / (1 - rate))))
    return Platt(float(fitted.weights_D[0]), fitted.intercept)
