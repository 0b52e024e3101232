"""Calibration of probabilities: bins of equal size, and the expected calibration error."""

import numpy as np

from training.data.histories import IntArray
from training.evaluation.metrics.intervals import FloatArray

BINS = 10


def bins_of(probability_N: FloatArray, bins: int = BINS) -> IntArray:
    """bin_N: bins with the same number of rows, from the lowest probability to the highest; equal
    probabilities share a bin."""
    below_N = np.searchsorted(np.sort(probability_N), probability_N, side="left")
    return below_N * bins // len(probability_N)


def calibration_error(gap_RB: FloatArray, rows_R: FloatArray) -> FloatArray:
    """Expected calibration error of each of R resamples (Naeini et al. 2015).

    ``gap_RB``: sum of probability - label over the rows of each bin; ``rows_R``: all rows. 0 is
    best. Resampling adds noise to every bin, so the interval lies high.
    """
    return np.abs(gap_RB).sum(axis=1) / rows_R
