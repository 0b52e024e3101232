"""Membership in sorted arrays of (user, item) pairs, each pair as one number.

``np.isin`` sorts or hashes both arrays at every call, which took a tenth of an evaluation.
"""

import numpy as np
import numpy.typing as npt

from training.data.histories import IntArray


def found_in(sorted_T: IntArray, cells: IntArray) -> npt.NDArray[np.bool_]:
    """Whether each of ``cells``, of any shape and 0 or more, is in ``sorted_T``."""
    found: npt.NDArray[np.bool_] = (
        np.append(sorted_T, -1)[np.searchsorted(sorted_T, cells)] == cells
    )
    return found


def occurring(sorted_T: IntArray, cells_N: IntArray) -> npt.NDArray[np.bool_]:
    """occurs_T: whether each of ``sorted_T``, without repeats, is among ``cells_N``."""
    place_N = np.searchsorted(sorted_T, cells_N)
    occurs_T = np.zeros(len(sorted_T) + 1, bool)
    occurs_T[place_N[np.append(sorted_T, -1)[place_N] == cells_N]] = True
    return occurs_T[:-1]
