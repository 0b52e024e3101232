"""The bound on what one user can change, without which no noise hides the user."""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

BOUND = 1.0  # the L2 norm of one user's contribution to a statistic


def bounded(norms_U: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """scale_U, at most 1, that takes contributions of these norms into the bound."""
    return BOUND / np.maximum(norms_U, BOUND)


def bounded_rows(values_UI: sp.csr_matrix) -> sp.csr_matrix:
    """Each user's row, scaled down to the bound if it is longer."""
    norms_U = np.sqrt(np.asarray(values_UI.astype(np.float64).power(2).sum(axis=1)).ravel())
    return sp.diags(bounded(norms_U)) @ values_UI
