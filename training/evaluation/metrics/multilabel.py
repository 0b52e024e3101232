"""Figures of a multi-label classifier, each with a 95 % bootstrap interval over users.

C: classes, R: resamples, G: bins of probability.
"""

from dataclasses import dataclass

import numpy as np

from training.evaluation.metrics.auc import class_auc, user_auc
from training.evaluation.metrics.brier import brier
from training.evaluation.metrics.calibration import BINS, bins_of, calibration_error
from training.evaluation.metrics.intervals import (
    BoolArray,
    FloatArray,
    Interval,
    interval_of,
    ratio,
)
from training.evaluation.metrics.log_loss import log_loss

FLOOR = 1e-6  # of a probability in the log loss


@dataclass(frozen=True)
class Answers:
    """Predicted probability of each class for each user, and whether it came true."""

    probability_UC: FloatArray
    label_UC: BoolArray

    def __len__(self) -> int:
        return len(self.label_UC)


@dataclass(frozen=True)
class Bin:
    """Answers of about the same probability. ``rate``: share of them that came true; ``share``: of
    all answers."""

    probability: float
    rate: Interval
    share: float


def thresholds(answers: Answers) -> FloatArray:
    """threshold_C from which a class is predicted: the best F1 of each class.

    A class without positives is never predicted.
    """
    order_UC = np.argsort(-answers.probability_UC, axis=0, kind="stable")
    probability_UC = np.take_along_axis(answers.probability_UC, order_UC, 0)
    true_UC = np.take_along_axis(answers.label_UC, order_UC, 0).cumsum(axis=0)
    yes_U1 = np.arange(1, len(answers) + 1)[:, None]
    f1_UC = 2 * true_UC / (yes_U1 + true_UC[-1])
    last_UC = np.ones_like(f1_UC, bool)  # a threshold can't separate equal probabilities
    last_UC[:-1] = probability_UC[1:] < probability_UC[:-1]
    best_C = np.where(last_UC, f1_UC, -1.0).argmax(axis=0)
    threshold_C = np.take_along_axis(probability_UC, best_C[None], 0)[0]
    return np.where(true_UC[-1] > 0, threshold_C, np.inf)


def resampled(
    answers: Answers, threshold_C: FloatArray, weight_RU: FloatArray
) -> dict[str, FloatArray]:
    """Each figure for each resample. ``weight_RU``: see ``intervals.weights``.

    ``accuracy``: share of correct answers; ``accuracy_all``: share of users with all answers
    correct. Precision, recall and F1 are micro (over all answers) and macro (mean over classes, 0
    for a class that is never predicted). ``auc_macro``: mean of ``class_auc``; ``auc_user``: mean
    of ``user_auc``. ``calibration_error``: expected, over ``BINS`` bins of the same size.
    """
    label_UC, probability_UC = answers.label_UC, answers.probability_UC
    users_R = weight_RU.sum(axis=1)
    found = _confusion(label_UC, probability_UC >= threshold_C, weight_RU)
    found["auc_macro"] = class_auc(label_UC, probability_UC, weight_RU).mean(axis=1)
    auc_U = user_auc(label_UC, probability_UC)
    has_U = np.isfinite(auc_U)
    found["auc_user"] = ratio(weight_RU[:, has_U] @ auc_U[has_U], weight_RU[:, has_U].sum(axis=1))
    loss_UC = log_loss(label_UC, probability_UC, FLOOR)
    found["log_loss"] = weight_RU @ loss_UC.mean(axis=1) / users_R
    found["brier"] = weight_RU @ brier(label_UC, probability_UC).mean(axis=1) / users_R
    predicted_RG, true_RG, _ = _binned(answers, weight_RU)
    found["calibration_error"] = calibration_error(
        predicted_RG - true_RG, users_R * label_UC.shape[1]
    )
    return found


def intervals_of(values: dict[str, FloatArray]) -> dict[str, Interval]:
    """Intervals of the figures of ``resampled``, or of the difference of two."""
    return {name: interval_of(value_R) for name, value_R in values.items()}


def reliability(answers: Answers, weight_RU: FloatArray) -> list[Bin]:
    """The rate of answers of about the same probability, least probable first."""
    predicted_RG, true_RG, count_RG = _binned(answers, weight_RU)
    rate_RG = ratio(true_RG, count_RG)
    return [
        Bin(
            float(predicted_RG[0, one] / count_RG[0, one]),
            interval_of(rate_RG[:, one]),
            float(count_RG[0, one] / answers.label_UC.size),
        )
        for one in range(predicted_RG.shape[1])
    ]


def _confusion(
    label_UC: BoolArray, yes_UC: BoolArray, weight_RU: FloatArray
) -> dict[str, FloatArray]:
    """Accuracy, precision, recall and F1 of each resample."""
    users_R = weight_RU.sum(axis=1)
    right_UC = yes_UC == label_UC
    true_RC, yes_RC, act_RC = (
        weight_RU @ one_UC for one_UC in (yes_UC & label_UC, yes_UC * 1.0, label_UC * 1.0)
    )
    found = {
        "accuracy": weight_RU @ right_UC.mean(axis=1) / users_R,
        "accuracy_all": weight_RU @ right_UC.all(axis=1) / users_R,
    }
    for name, axis_true, axis_yes, axis_act in (
        ("micro", true_RC.sum(axis=1), yes_RC.sum(axis=1), act_RC.sum(axis=1)),
        ("macro", true_RC, yes_RC, act_RC),
    ):
        parts = {
            "precision": ratio(axis_true, axis_yes),
            "recall": ratio(axis_true, axis_act),
            "f1": ratio(2 * axis_true, axis_yes + axis_act),
        }
        for figure, value in parts.items():
            found[f"{figure}_{name}"] = value if name == "micro" else value.mean(axis=1)
    return found


def _binned(answers: Answers, weight_RU: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """In each bin the sum of probabilities, the number that came true, and the number of all."""
    probability_UC = answers.probability_UC
    bin_UC = bins_of(probability_UC.ravel()).reshape(probability_UC.shape)
    shape = (len(answers), BINS)
    cell_UC = np.arange(len(answers))[:, None] * BINS + bin_UC
    predicted_UG, true_UG, count_UG = (
        np.bincount(cell_UC.ravel(), of.ravel(), minlength=len(answers) * BINS).reshape(shape)
        for of in (probability_UC, answers.label_UC, np.ones(cell_UC.shape))
    )
    some_G = count_UG.any(axis=0)
    return (
        weight_RU @ predicted_UG[:, some_G],
        weight_RU @ true_UG[:, some_G],
        weight_RU @ count_UG[:, some_G],
    )
