"""Evaluation of families that predict which interests a user will act on next.

On all users with a history when the window begins, also those without an event in it. Thresholds
are selected on the validation window. Baselines: the share of all users, each user's own habit, and
a logistic regression on habits alone (layers/probe.py).
"""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file

from penchant.encryption.weights import read_weights
from penchant.errors import DataError, PenchantError
from training.data.histories import DAY, Histories
from training.data.interest_labels import CUTS, Interests, find_interests, known, window_targets
from training.data.split import WINDOW_DAYS, Split
from training.evaluation.context import EvaluationContext, Figures
from training.evaluation.metrics.auc import class_auc
from training.evaluation.metrics.intervals import FloatArray, weights
from training.evaluation.metrics.multilabel import (
    Answers,
    intervals_of,
    reliability,
    resampled,
    thresholds,
)
from training.fitting.capabilities import ClassifiesInterests
from training.fitting.family import Family
from training.layers.probe import HasHabitProbe, fit_probe, no_vectors

ANSWERS = "interests.safetensors"
ITSELF, BASE_RATE = "itself", "base rate"
OWN_HABIT, FITTED_HABITS = "own habit", "fitted habits"
USERS_AT_ONCE = 256
PRIOR_FORTNIGHTS = 2.0  # weight of the base rate, in fortnights
HEADLINE = ("auc_macro", "f1_micro", "calibration_error")


def evaluate(family: Family, context: EvaluationContext) -> Figures:
    """``missing`` where the catalogue has fewer than two interests.

    Writes ``interests.safetensors``: predicted probabilities and labels of the test window.
    """
    assert isinstance(family, ClassifiesInterests)
    try:
        interests = find_interests(context.dataset.items, context.split.train)
    except DataError as error:
        return {"headline": "", "missing": error.cause, "remedy": error.remedy}
    shares_C = base_rates(context.split, interests)
    if isinstance(family, HasHabitProbe):  # fitted beside its own
        fitted = family.habits
    else:
        fitted = fit_probe(no_vectors, context.split, context.training).of_habits
    predicted: dict[str, dict[str, Answers]] = {}
    seconds, users = 0.0, 0
    for name, window in context.windows(family):
        window = known(window)
        label_UC = interests.acted_on(window.targets)
        began = time.perf_counter()
        probability_UC = _probabilities(family, window.histories, len(interests))
        seconds, users = seconds + time.perf_counter() - began, users + len(label_UC)
        habit_UC = own_habit(window.histories, interests, shares_C)
        fitted_UC = fitted.probabilities(no_vectors, window.histories)
        predicted[name] = {
            ITSELF: Answers(probability_UC, label_UC),
            BASE_RATE: Answers(np.tile(shares_C, (len(label_UC), 1)), label_UC),
            OWN_HABIT: Answers(habit_UC, label_UC),
            FITTED_HABITS: Answers(fitted_UC.double().numpy(), label_UC),
        }
    thresholds_ = {of: thresholds(answers) for of, answers in predicted["validation"].items()}
    _write(context, predicted["test"], thresholds_)
    return {
        "level": interests.level,
        "titles": interests.titles_C,
        "left_out": interests.left_out,
        "ms_per_user": round(1000 * seconds / max(1, users), 4),
        **_figures(predicted, thresholds_, context.seed),
        "by_interest": _by_interest(interests, predicted["test"][ITSELF]),
    }


def base_rates(split: Split, interests: Interests) -> FloatArray:
    """share_C of users who act on each interest in a fortnight of the training data."""
    labels = [interests.acted_on(targets) for targets in window_targets(split.train)]
    return np.concatenate(labels).mean(axis=0)


def own_habit(histories: Histories, interests: Interests, share_C: FloatArray) -> FloatArray:
    """probability_UC: share of each user's last fortnights with an event of the interest, smoothed
    by ``PRIOR_FORTNIGHTS`` of the base rate ``share_C``."""
    step = WINDOW_DAYS * DAY
    ends = [histories.end - number * step for number in range(CUTS)]
    acted_UC = sum(
        (interests.acted_on(histories.between(end - step, end)) * 1.0 for end in ends),
        np.zeros((len(histories), len(interests))),
    )
    return (acted_UC + PRIOR_FORTNIGHTS * share_C) / (CUTS + PRIOR_FORTNIGHTS)


def _probabilities(family: ClassifiesInterests, histories: Histories, interests: int) -> FloatArray:
    with torch.no_grad():
        answers = [family.interests(one) for one in histories.parts(USERS_AT_ONCE)]
    probability_UC = torch.cat(answers).double().cpu().numpy()
    if probability_UC.shape[1] != interests:
        raise PenchantError(
            f"the family predicts {probability_UC.shape[1]} interests, expected {interests}",
            "find interests with `find_interests(items, split.train)` in the family's `fit`",
        )
    if not (np.isfinite(probability_UC) & (probability_UC >= 0) & (probability_UC <= 1)).all():
        raise PenchantError(
            "the family predicts probabilities that are NaN or outside [0, 1]",
            "check `interests` of the family; a lower learning rate in its config may help",
        )
    return probability_UC


def _figures(
    predicted: dict[str, dict[str, Answers]], threshold_of: dict[str, FloatArray], seed: int
) -> dict[str, Any]:
    """Figures of both windows, of the baselines on the test window, and paired differences."""
    answers = predicted["test"]
    weight_RU = weights(len(answers[ITSELF]), seed)
    found = {of: resampled(one, threshold_of[of], weight_RU) for of, one in answers.items()}
    before = predicted["validation"][ITSELF]
    validation = resampled(before, threshold_of[ITSELF], weights(len(before), seed))
    metrics = _plain(found[ITSELF])
    shown = ", ".join(f"{name} {metrics[name]['mean']:.4f}" for name in HEADLINE)
    return {
        "headline": f"interests: {shown}",
        "users": len(answers[ITSELF]),
        "metrics": metrics,
        "validation_metrics": _plain(validation),
        "baselines": {of: _plain(values) for of, values in found.items() if of != ITSELF},
        "over": {
            of: _plain({name: found[ITSELF][name] - value_R for name, value_R in values.items()})
            for of, values in found.items()
            if of != ITSELF
        },
        "reliability": {
            of: [asdict(one) for one in reliability(answers[of], weight_RU)]
            for of in (ITSELF, OWN_HABIT)
        },
    }


def _by_interest(interests: Interests, answers: Answers) -> list[dict[str, Any]]:
    """For each interest the share of users who acted on it, and its AUC; None with one class."""
    act_C = answers.label_UC.sum(axis=0)
    both_C = (act_C > 0) & (act_C < len(answers))
    everyone_1U = np.ones((1, len(answers)))
    auc = iter(class_auc(answers.label_UC, answers.probability_UC, everyone_1U)[0])
    return [
        {
            "title": title,
            "rate": float(act_C[one] / len(answers)),
            "auc": float(next(auc)) if both_C[one] else None,
        }
        for one, title in enumerate(interests.titles_C)
    ]


def _write(
    context: EvaluationContext, answers: dict[str, Answers], threshold_of: dict[str, FloatArray]
) -> None:
    """For paired comparisons: all families of a snapshot are evaluated on the same users."""
    arrays: dict[str, np.ndarray] = {"label_UC": answers[ITSELF].label_UC}
    for of, one in answers.items():
        arrays[f"{of}.probability_UC"] = one.probability_UC.astype(np.float32)
        arrays[f"{of}.threshold_C"] = threshold_of[of].astype(np.float32)
    save_file(arrays, context.folder / ANSWERS)


def read_answers(run: Path, of: str) -> tuple[Answers, FloatArray]:
    """Answers on the test window in a run, of the family (``ITSELF``) or a baseline, and its
    thresholds."""
    arrays = read_weights(run / ANSWERS)
    probability_UC = arrays[f"{of}.probability_UC"].astype(np.float64)
    return Answers(probability_UC, arrays["label_UC"]), arrays[f"{of}.threshold_C"].astype(
        np.float64
    )


def _plain(values: dict[str, FloatArray]) -> dict[str, Any]:
    return {name: asdict(one) for name, one in intervals_of(values).items()}
