"""Figures of a multi-label classifier, each with a 95 % bootstrap interval over users.

Letters beside those of data.py: C classes, R resamples, G bins of probability.
"""

from dataclasses import dataclass

import numpy as np

from training.data.interest_labels import BoolArray
from training.evaluation.metrics.intervals import FloatArray, Interval, quantiled
from training.layers.responses.calibration import bins_of

BINS = 10  # of the reliability curve, with as many answers each


@dataclass(frozen=True)
class Answers:
    """What was said of each user's acting on each class, and what came."""

    probability_UC: FloatArray
    label_UC: BoolArray

    def __len__(self) -> int:
        return len(self.label_UC)


@dataclass(frozen=True)
class Bin:
    """Answers of about the same probability. ``rate``: of those that came true; ``share``: of all
    answers."""

    probability: float
    rate: Interval
    share: float


def thresholds(answers: Answers) -> FloatArray:
    """threshold_C from which on a class is answered with yes: the best F1 of each class.

    A class that nobody acts on is never answered with yes.
    """
    order_UC = np.argsort(-answers.probability_UC, axis=0, kind="stable")
    probability_UC = np.take_along_axis(answers.probability_UC, order_UC, 0)
    true_UC = np.take_along_axis(answers.label_UC, order_UC, 0).cumsum(axis=0)
    yes_U1 = np.arange(1, len(answers) + 1)[:, None]
    f1_UC = 2 * true_UC / (yes_U1 + true_UC[-1])
    last_UC = np.ones_like(f1_UC, bool)  # of equal probabilities: they are answered alike
    last_UC[:-1] = probability_UC[1:] < probability_UC[:-1]
    best_C = np.where(last_UC, f1_UC, -1.0).argmax(axis=0)
    threshold_C = np.take_along_axis(probability_UC, best_C[None], 0)[0]
    return np.where(true_UC[-1] > 0, threshold_C, np.inf)


def resampled(
    answers: Answers, threshold_C: FloatArray, weight_RU: FloatArray
) -> dict[str, FloatArray]:
    """Each figure for each resample. ``weight_RU``: how often a user is in it, see ``draws``.

    ``accuracy``: share of the answers that are right; ``accuracy_all``: of the users for whom all
    are. Precision, recall and F1 are micro (over all answers) and macro (means over classes; 0 for
    a class that is never answered with yes). ``auc_macro``: the mean over the classes that somebody
    acts on and somebody does not, resampled in its first order, by how often each user's answer is
    on the right side of another's (DeLong et al. 1988); ``auc_user``: the mean over the users who
    act on some classes and not on all. ``calibration_error``: the expected one, over ``BINS`` bins
    of as many answers (Naeini et al. 2015): 0 is best, and noise alone raises it.
    """
    label_UC, probability_UC = answers.label_UC, answers.probability_UC
    yes_UC = probability_UC >= threshold_C
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
            "precision": _share(axis_true, axis_yes),
            "recall": _share(axis_true, axis_act),
            "f1": _share(2 * axis_true, axis_yes + axis_act),
        }
        for figure, value in parts.items():
            found[f"{figure}_{name}"] = value if name == "micro" else value.mean(axis=1)
    found["auc_macro"] = class_auc(answers, weight_RU).mean(axis=1)
    auc_U = user_auc(answers)
    has_U = np.isfinite(auc_U)
    found["auc_user"] = _share(weight_RU[:, has_U] @ auc_U[has_U], weight_RU[:, has_U].sum(axis=1))
    clipped_UC = np.clip(probability_UC, 1e-6, 1 - 1e-6)
    loss_UC = -np.where(label_UC, np.log(clipped_UC), np.log1p(-clipped_UC))
    found["log_loss"] = weight_RU @ loss_UC.mean(axis=1) / users_R
    found["brier"] = weight_RU @ ((probability_UC - label_UC) ** 2).mean(axis=1) / users_R
    said_RG, came_RG, _ = _binned(answers, weight_RU)
    found["calibration_error"] = np.abs(said_RG - came_RG).sum(axis=1) / (
        users_R * label_UC.shape[1]
    )
    return found


def draws(users: int, seed: int, resamples: int = 1000) -> FloatArray:
    """weight_RU: how often each user is in a resample.

    The first row has each user once, which is the figure itself. The same for all answers on the
    same users, so that the difference of two answers' figures is paired.
    """
    random = np.random.default_rng(seed)
    drawn = random.multinomial(users, np.full(users, 1 / users), size=resamples)
    return np.concatenate([np.ones((1, users)), drawn])


def intervals_of(values: dict[str, FloatArray]) -> dict[str, Interval]:
    """Of what ``resampled`` gives, or of the difference of two."""
    return {name: quantiled(value_R) for name, value_R in values.items()}


def reliability(answers: Answers, weight_RU: FloatArray) -> list[Bin]:
    """What came of answers of about the same probability, least probable first."""
    said_RG, came_RG, count_RG = _binned(answers, weight_RU)
    rate_RG = _share(came_RG, count_RG)
    return [
        Bin(
            float(said_RG[0, one] / count_RG[0, one]),
            quantiled(rate_RG[:, one]),
            float(count_RG[0, one] / answers.label_UC.size),
        )
        for one in range(said_RG.shape[1])
    ]


def class_auc(answers: Answers, weight_RU: FloatArray) -> FloatArray:
    """auc_RK of the K classes that somebody acts on and somebody does not."""
    act_C = answers.label_UC.sum(axis=0)
    both_C = (act_C > 0) & (act_C < len(answers))
    label_UK, probability_UK = answers.label_UC[:, both_C], answers.probability_UC[:, both_C]
    # Of each answer the share of the class's answers of the other label that it is right against.
    won_UK = np.empty(label_UK.shape)
    for one in range(label_UK.shape[1]):
        label_U = label_UK[:, one]
        below_U, above_U = _sides(probability_UK[:, one], label_U)
        won_UK[:, one] = np.where(
            label_U, below_U / (~label_U).sum(), above_U / max(1, label_U.sum())
        )
    auc_K = (won_UK * label_UK).sum(axis=0) / label_UK.sum(axis=0)
    act_RK, not_RK = weight_RU @ label_UK, weight_RU @ ~label_UK
    won_RK = _share(weight_RU @ (won_UK * label_UK), act_RK)
    won_not_RK = _share(weight_RU @ (won_UK * ~label_UK), not_RK)
    return won_RK + won_not_RK - auc_K


def user_auc(answers: Answers) -> FloatArray:
    """auc_U over the classes of each user; nan for who acts on none or on all."""
    auc_U = np.full(len(answers), np.nan)
    act_U = answers.label_UC.sum(axis=1)
    for user in np.flatnonzero((act_U > 0) & (act_U < answers.label_UC.shape[1])):
        label_C = answers.label_UC[user]
        below_C, _ = _sides(answers.probability_UC[user], label_C)
        auc_U[user] = below_C[label_C].mean() / (~label_C).sum()
    return auc_U


def _sides(probability_U: FloatArray, label_U: BoolArray) -> tuple[FloatArray, FloatArray]:
    """For each answer the negatives below and the positives above; equal ones count half."""
    values, place_U = np.unique(probability_U, return_inverse=True)
    not_G = np.bincount(place_U, ~label_U, minlength=len(values))
    act_G = np.bincount(place_U, label_U, minlength=len(values))
    below_G = not_G.cumsum() - not_G / 2
    above_G = act_G.sum() - act_G.cumsum() + act_G / 2
    return below_G[place_U], above_G[place_U]


def _binned(answers: Answers, weight_RU: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """In each bin the sum of probabilities, how many came true, and how many there are."""
    probability_UC = answers.probability_UC
    bin_UC = bins_of(probability_UC.ravel(), BINS).reshape(probability_UC.shape)
    shape = (len(answers), BINS)
    cell_UC = np.arange(len(answers))[:, None] * BINS + bin_UC
    said_UG, came_UG, count_UG = (
        np.bincount(cell_UC.ravel(), of.ravel(), minlength=len(answers) * BINS).reshape(shape)
        for of in (probability_UC, answers.label_UC, np.ones(cell_UC.shape))
    )
    some_G = count_UG.any(axis=0)
    return (
        weight_RU @ said_UG[:, some_G],
        weight_RU @ came_UG[:, some_G],
        weight_RU @ count_UG[:, some_G],
    )


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    """0 where there is nothing to share."""
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=whole > 0)
