"""The judge of families that say which interests a user will act on next.

Asked are all users of whom something is known when the window begins, also those who then do
nothing. From which probability on an answer is yes is chosen on the validation window. Answers that
need no such family are judged beside: the share of all users, each one's own habit, and a
logistic regression on habits alone (readout.py).
"""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from penchant.errors import DataError, PenchantError
from training.data.histories import DAY, Histories
from training.data.interest_labels import CUTS, Interests, cut_points, find_interests, known
from training.data.split import WINDOW_DAYS, Split
from training.evaluation.context import EvaluationContext
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
from training.layers.probe import fit_probe, no_vectors

ANSWERS = "interests.safetensors"
ITSELF, BASE_RATE = "itself", "base rate"
OWN_HABIT, FITTED_HABITS = "own habit", "fitted habits"
USERS_AT_ONCE = 256
PRIOR_FORTNIGHTS = 2.0  # that the share of all counts beside a user's own
WORTH_TELLING = ("auc_macro", "f1_micro", "calibration_error")


def evaluate(family: Family, context: EvaluationContext) -> dict[str, Any]:
    """The record's entries. Writes ``interests.safetensors``, what was said and what came.

    Where the catalogue has no interests to tell apart, ``missing`` says why, and nothing is judged.
    """
    assert isinstance(family, ClassifiesInterests), "see TASKS of train.py"
    try:
        interests = find_interests(context.dataset.items, context.split.train)
    except DataError as error:
        return {"headline": "", "missing": error.cause, "remedy": error.remedy}
    shares_C = base_rates(context.split, interests)
    began = time.perf_counter()
    fitted = fit_probe(no_vectors, context.split, context.training)
    habits_seconds = time.perf_counter() - began
    said: dict[str, dict[str, Answers]] = {}
    seconds, asked = 0.0, 0
    for name, window in context.windows(family):
        window = known(window)
        label_UC = interests.acted_on(window.targets)
        began = time.perf_counter()
        probability_UC = _asked(family, window.histories, len(interests))
        seconds, asked = seconds + time.perf_counter() - began, asked + len(label_UC)
        habit_UC = own_habit(window.histories, interests, shares_C)
        fitted_UC = fitted.probabilities(no_vectors, window.histories)
        said[name] = {
            ITSELF: Answers(probability_UC, label_UC),
            BASE_RATE: Answers(np.tile(shares_C, (len(label_UC), 1)), label_UC),
            OWN_HABIT: Answers(habit_UC, label_UC),
            FITTED_HABITS: Answers(fitted_UC.double().numpy(), label_UC),
        }
    thresholds_ = {of: thresholds(answers) for of, answers in said["validation"].items()}
    _keep(context, said["test"], thresholds_)
    return {
        "level": interests.level,
        "titles": interests.titles_C,
        "left_out": interests.left_out,
        "fitted_habits_seconds": round(habits_seconds, 2),
        "ms_per_user": round(1000 * seconds / max(1, asked), 4),
        **_figures(said, thresholds_, context.seed),
        "by_interest": _by_interest(interests, said["test"][ITSELF]),
    }


def base_rates(split: Split, interests: Interests) -> FloatArray:
    """share_C of users who act on each interest in a fortnight of the training data."""
    labels = [interests.acted_on(window.targets) for window in cut_points(split.train)]
    return np.concatenate(labels).mean(axis=0)


def own_habit(histories: Histories, interests: Interests, share_C: FloatArray) -> FloatArray:
    """probability_UC: of each user's last fortnights, those in which the interest was acted on.

    Counted as if ``PRIOR_FORTNIGHTS`` more had been with the share of all users.
    """
    step = WINDOW_DAYS * DAY
    ends = [histories.end - number * step for number in range(CUTS)]
    acted_UC = sum(
        (interests.acted_on(histories.between(end - step, end)) * 1.0 for end in ends),
        np.zeros((len(histories), len(interests))),
    )
    return (acted_UC + PRIOR_FORTNIGHTS * share_C) / (CUTS + PRIOR_FORTNIGHTS)


def _asked(family: ClassifiesInterests, histories: Histories, interests: int) -> FloatArray:
    with torch.no_grad():
        answers = [family.interests(one) for one in histories.parts(USERS_AT_ONCE)]
    probability_UC = torch.cat(answers).double().cpu().numpy()
    if probability_UC.shape[1] != interests:
        raise PenchantError(
            f"the family answers on {probability_UC.shape[1]} interests of {interests}",
            "take them from training.data.interest_labels.find_interests, of the training data alone",
        )
    if not (np.isfinite(probability_UC) & (probability_UC >= 0) & (probability_UC <= 1)).all():
        raise PenchantError(
            "the family gives an interest a probability that is none",
            "lower the learning rate of its config",
        )
    return probability_UC


def _figures(
    said: dict[str, dict[str, Answers]], threshold_of: dict[str, FloatArray], seed: int
) -> dict[str, Any]:
    """Of both windows, of the baselines on the test window, and how far the family is above."""
    answers = said["test"]
    weight_RU = weights(len(answers[ITSELF]), seed)
    found = {of: resampled(one, threshold_of[of], weight_RU) for of, one in answers.items()}
    before = said["validation"][ITSELF]
    validation = resampled(before, threshold_of[ITSELF], weights(len(before), seed))
    metrics = _plain(found[ITSELF])
    told = ", ".join(f"{name} {metrics[name]['mean']:.4f}" for name in WORTH_TELLING)
    return {
        "headline": f"interests: {told}",
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
    """Of each interest the share of users who acted on it, and its AUC where both came."""
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


def _keep(
    context: EvaluationContext, answers: dict[str, Answers], threshold_of: dict[str, FloatArray]
) -> None:
    """For comparing families user by user: all of a snapshot are asked about the same."""
    kept: dict[str, np.ndarray] = {"label_UC": answers[ITSELF].label_UC}
    for of, one in answers.items():
        kept[f"{of}.probability_UC"] = one.probability_UC.astype(np.float32)
        kept[f"{of}.threshold_C"] = threshold_of[of].astype(np.float32)
    save_file(kept, context.folder / ANSWERS)


def kept_answers(run: Path, of: str) -> tuple[Answers, FloatArray]:
    """What was said on the test window in a run, by the family (``ITSELF``) or by a baseline, and
    the thresholds."""
    kept = load_file(run / ANSWERS)
    probability_UC = kept[f"{of}.probability_UC"].astype(np.float64)
    return Answers(probability_UC, kept["label_UC"]), kept[f"{of}.threshold_C"].astype(np.float64)


def _plain(values: dict[str, FloatArray]) -> dict[str, Any]:
    return {name: asdict(one) for name, one in intervals_of(values).items()}
