"""Noisy statistics of all users: counts of items and of categories, and second moments."""

import numpy as np
import scipy.sparse as sp

from penchant.artifacts import Mechanism
from training.data.histories import FloatArray, Histories
from training.privacy.contributions import BOUND, bounded, bounded_rows
from training.privacy.noise import Doubles, Noise

COUNTS_THEN_MOMENTS = (  # which items are learned, then the moments: most of the budget is theirs
    Mechanism(noise_multiplier=2.5),
    Mechanism(noise_multiplier=1),
)


def noisy_sums(values_UI: sp.csr_matrix, mechanism: Mechanism, noise: Noise) -> Doubles:
    """sums_I over users, each of whom counts at most ``BOUND`` in L2 norm."""
    sums_I = np.asarray(bounded_rows(values_UI).sum(axis=0)).ravel()
    return sums_I + noise.gaussian(sums_I.shape, mechanism.noise_multiplier * BOUND)


def noisy_popularity(
    histories: Histories, half_life_days: float, mechanism: Mechanism, noise: Noise
) -> FloatArray:
    """Share of each item in the decayed weight of all users: float32 over I, sums to 1."""
    decayed_N = histories.weights_N * 0.5 ** (histories.ages_N / half_life_days)
    return shares(noisy_sums(histories.matrix(decayed_N), mechanism, noise))


def shares(sums_I: Doubles) -> FloatArray:
    """Of noisy sums, of which those below 0 are 0: float32, sums to 1."""
    counts_I = np.maximum(sums_I, 0)
    return (counts_I / max(counts_I.sum(), np.finfo(np.float32).tiny)).astype(np.float32)


def noisy_gram(rows_UJ: sp.csr_matrix, mechanism: Mechanism, noise: Noise) -> Doubles:
    """gram_JJ = X'X of one row for each user, who changes it by at most ``BOUND`` in Frobenius
    norm: that of one user's is |x|². It is symmetric, so only its upper triangle gets noise (Dwork
    et al. 2014, "Analyze Gauss").
    """
    squares_U = np.asarray(rows_UJ.astype(np.float64).power(2).sum(axis=1)).ravel()
    rows_UJ = sp.diags(np.sqrt(bounded(squares_U))) @ rows_UJ
    deviation = mechanism.noise_multiplier * BOUND
    return (rows_UJ.T @ rows_UJ).toarray() + _symmetric(rows_UJ.shape[1], deviation, noise)


def above_noise(moment_JJ: Doubles, deviation: float) -> Doubles:
    """The moment without cells beside the diagonal that noise alone could give: the universal
    threshold (Donoho & Johnstone 1994)."""
    threshold = deviation * np.sqrt(2 * np.log(moment_JJ.size + 1))
    kept_JJ = np.abs(moment_JJ) >= threshold
    np.fill_diagonal(kept_JJ, True)
    return np.where(kept_JJ, moment_JJ, 0.0)


def noisy_moments(
    inputs: sp.csr_matrix,
    outputs: sp.csr_matrix,
    owner_N: np.ndarray,
    users: int,
    mechanism: Mechanism,
    noise: Noise,
) -> tuple[Doubles, Doubles]:
    """gram_JJ = X'X and product_JJ = X'Y over rows, each of which belongs to the user ``owner_N``.

    A user changes both together by at most ``BOUND`` in Frobenius norm: the norms of X'X and X'Y
    of one user are at most the sums of |x|² and of |x| |y| over the user's rows. X'X gets noise as
    in ``noisy_gram``.
    """
    input_N, output_N = (
        np.sqrt(np.asarray(rows.astype(np.float64).power(2).sum(axis=1)).ravel())
        for rows in (inputs, outputs)
    )
    norms_U = np.hypot(
        np.bincount(owner_N, input_N**2, minlength=users),
        np.bincount(owner_N, input_N * output_N, minlength=users),
    )
    root_NN = sp.diags(np.sqrt(bounded(norms_U))[owner_N])
    left, right = (root_NN @ rows for rows in (inputs, outputs))
    items = inputs.shape[1]
    deviation = mechanism.noise_multiplier * BOUND
    gram_JJ = (left.T @ left).toarray() + _symmetric(items, deviation, noise)
    product_JJ = (left.T @ right).toarray() + noise.gaussian((items, items), deviation)
    return gram_JJ, product_JJ


def _symmetric(items: int, deviation: float, noise: Noise) -> Doubles:
    upper_JJ = np.triu(noise.gaussian((items, items), deviation))
    return upper_JJ + np.triu(upper_JJ, 1).T
