"""A linear layer for classes of few examples each, in closed form: the linear discriminant (Fisher
1936) of the states before each class.

The weights of a new class set from its mean are the imprinting of Qi et al. 2018. Here a mean is
first shrunk to those of its tags, and these to the mean of all, by the number of events.
"""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from training.data.histories import IntArray

Array = npt.NDArray[np.float64]

SWEEPS = 10  # of the tags' effects, which overlap
UNSEEN = 0.5  # events added to each class


def shrunk_means(
    states_PD: Array, class_P: IntArray, tags_JT: sp.csr_matrix, shrinkage: float
) -> tuple[Array, Array]:
    """mean_D of all states, and means_JD of each class as offsets from it.

    ``shrinkage``: events for which a tag, or a class, weighs as much as its prior.
    """
    classes = tags_JT.shape[0]
    mean_D = states_PD.mean(axis=0)
    one_JP = sp.csr_matrix(
        (np.ones(len(class_P)), (class_P, np.arange(len(class_P)))), (classes, len(class_P))
    )
    sums_JD = one_JP @ (states_PD - mean_D)
    events_J1 = np.bincount(class_P, minlength=classes)[:, None].astype(float)
    events_T1 = tags_JT.T @ events_J1
    tags_J1 = np.maximum(np.asarray(tags_JT.sum(axis=1)), 1.0)
    means_JD = np.zeros_like(sums_JD)
    for _ in range(SWEEPS):
        left_JD = sums_JD - events_J1 * means_JD
        means_JD = means_JD + tags_JT @ (tags_JT.T @ left_JD / (events_T1 + shrinkage)) / tags_J1
    left_JD = sums_JD - events_J1 * means_JD
    return mean_D, means_JD + left_JD / (events_J1 + shrinkage)


def discriminant(
    states_PD: Array,
    class_P: IntArray,
    mean_D: Array,
    means_JD: Array,
    counts_J: IntArray,
    ridge: float,
) -> tuple[Array, Array]:
    """weight_JD and bias_J: the logarithm of each class's probability in a state, up to a constant.

    ``counts_J``: of each class, for its prior probability. ``ridge``: of
    the covariance, in parts of its mean variance; a large one leaves the counts alone.
    """
    within_PD = states_PD - mean_D - means_JD[class_P]
    covariance_DD = within_PD.T @ within_PD / len(within_PD)
    dimensions = len(mean_D)
    variance = max(float(np.trace(covariance_DD)) / dimensions, 1e-9)
    covariance_DD = covariance_DD + ridge * variance * np.eye(dimensions)
    weight_JD: Array = np.linalg.solve(covariance_DD, means_JD.T).T.astype(np.float64)
    share_J = (counts_J + UNSEEN) / (counts_J + UNSEEN).sum()
    bias_J: Array = np.log(share_J) - ((mean_D + means_JD / 2) * weight_JD).sum(axis=1)
    return weight_JD, bias_J
