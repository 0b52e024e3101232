"""Confidence sequences: intervals that are valid at all times together, for early stopping.

An ordinary 95 % interval that is evaluated daily until it excludes zero reports an effect where
there is none far more often than one time in twenty.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from penchant.errors import DataError

Values = npt.NDArray[np.float64]

TUNED_FOR = 1_000  # users per arm at which the interval is narrowest


@dataclass(frozen=True)
class Difference:
    """The treatment's mean minus the control's. ``low`` and ``high`` are valid at all times."""

    mean: float
    low: float
    high: float

    @property
    def result(self) -> str:
        """better, worse, or open while the interval contains zero."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "open"


def difference(treatment_U: Values, control_U: Values, alpha: float = 0.05) -> Difference:
    """Of two arms' values, one a user in each.

    The asymptotic confidence sequence of Waudby-Smith et al. (2024, "Time-uniform central limit
    theory", Theorem 2.2), a normal mixture, of each mean with alpha / 2, added: the arms are
    independent. Raises DataError for an arm of fewer than two users.
    """
    for name, values_U in (("treatment", treatment_U), ("control", control_U)):
        if len(values_U) < 2:
            raise DataError(
                f"the {name} arm has {len(values_U)} users: there is nothing to compare",
                "wait until both arms were served, or look at how users are assigned",
            )
    mean = float(treatment_U.mean() - control_U.mean())
    width = sum(radius(values_U, alpha / 2) for values_U in (treatment_U, control_U))
    return Difference(mean, mean - width, mean + width)


def radius(values_U: Values, alpha: float) -> float:
    """Half the width of the confidence sequence of a mean after all of the values."""
    count, variance = len(values_U), float(values_U.var())
    rho2 = mixture(alpha) / TUNED_FOR
    spread = count * rho2 + 1
    return math.sqrt(
        variance * 2 * spread / (count**2 * rho2) * math.log(math.sqrt(spread) / alpha)
    )


def mixture(alpha: float) -> float:
    """The mixture's parameter for which the sequence is narrowest (near) where it is looked for:
    same paper, Appendix B.2."""
    return -2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)
