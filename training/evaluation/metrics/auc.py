"""Area under the ROC curve: the probability that a positive scores above a negative, ties half."""

import numpy as np
from scipy.stats import rankdata

from training.data.histories import IntArray
from training.evaluation.metrics.intervals import BoolArray, FloatArray, Statistic, ratio


def auc(label_N: FloatArray, score_N: FloatArray) -> Statistic:
    """AUC of rows that are weighted by how often each is in a resample."""
    order = np.argsort(score_N, kind="stable")
    label_N, score_N = label_N[order], score_N[order]
    ends = np.flatnonzero(np.append(np.diff(score_N) > 0, True))

    def statistic(weights_RN: FloatArray) -> FloatArray:
        weights_RN = weights_RN[:, order]
        positive_RG = _grouped(weights_RN * label_N, ends)
        negative_RG = _grouped(weights_RN * (1 - label_N), ends)
        below_RG = np.cumsum(negative_RG, axis=1) - negative_RG
        won_R = (positive_RG * (below_RG + 0.5 * negative_RG)).sum(axis=1)
        return won_R[:, None] / (positive_RG.sum(axis=1) * negative_RG.sum(axis=1))[:, None]

    return statistic


def class_auc(label_UC: BoolArray, probability_UC: FloatArray, weight_RU: FloatArray) -> FloatArray:
    """auc_RK of the K classes with positive and negative users.

    Resampled to first order, by each user's share of won comparisons (DeLong et al. 1988), which
    costs one matrix product for all classes.
    """
    positives_C = label_UC.sum(axis=0)
    both_C = (positives_C > 0) & (positives_C < len(label_UC))
    label_UK, probability_UK = label_UC[:, both_C], probability_UC[:, both_C]
    won_UK = np.empty(label_UK.shape)
    for one in range(label_UK.shape[1]):
        label_U = label_UK[:, one]
        below_U, above_U = _sides(probability_UK[:, one], label_U)
        won_UK[:, one] = np.where(
            label_U, below_U / (~label_U).sum(), above_U / max(1, label_U.sum())
        )
    auc_K = (won_UK * label_UK).sum(axis=0) / label_UK.sum(axis=0)
    positive_RK, negative_RK = weight_RU @ label_UK, weight_RU @ ~label_UK
    positive_won_RK = ratio(weight_RU @ (won_UK * label_UK), positive_RK)
    negative_won_RK = ratio(weight_RU @ (won_UK * ~label_UK), negative_RK)
    return positive_won_RK + negative_won_RK - auc_K


def user_auc(label_UC: BoolArray, probability_UC: FloatArray) -> FloatArray:
    """auc_U over the classes of each user; NaN where all labels are equal."""
    rank_UC = rankdata(probability_UC, axis=1)  # ties have the mean of their ranks
    positives_U = label_UC.sum(axis=1)
    pairs_U = positives_U * (label_UC.shape[1] - positives_U)
    won_U = (rank_UC * label_UC).sum(axis=1) - positives_U * (positives_U + 1) / 2
    return np.where(pairs_U > 0, won_U / np.maximum(1, pairs_U), np.nan)


def _sides(score_N: FloatArray, label_N: BoolArray) -> tuple[FloatArray, FloatArray]:
    """For each row the negatives below it and the positives above it; ties count half."""
    values, place_N = np.unique(score_N, return_inverse=True)
    negative_G = np.bincount(place_N, ~label_N, minlength=len(values))
    positive_G = np.bincount(place_N, label_N, minlength=len(values))
    below_G = negative_G.cumsum() - negative_G / 2
    above_G = positive_G.sum() - positive_G.cumsum() + positive_G / 2
    return below_G[place_N], above_G[place_N]


def _grouped(values_RN: FloatArray, ends: IntArray) -> FloatArray:
    """Sums over runs of columns; ``ends``: the last column of each run."""
    summed = np.cumsum(values_RN, axis=1)[:, ends]
    return np.diff(summed, axis=1, prepend=0.0)
