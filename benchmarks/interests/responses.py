"""Response to an ad: our models and widely used ones on the same ads.

Each model has the same columns of the same rows, is tuned on the same validation ads, and its
probabilities are calibrated there by the same Platt scaling. Seconds are of all of that and of
predicting the test ads, the median of three repeats, without imports.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.interests.response_models import LINEAR, MODELS, OURS, PLAIN, TREES, ads
from benchmarks.interests.response_uplift import UPLIFTS, simulated
from benchmarks.processes import isolated
from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.errors import UsageError
from penchant.settings import Settings
from training.evaluation.metrics.auc import auc
from training.evaluation.metrics.intervals import Statistic
from training.evaluation.metrics.log_loss import log_loss
from training.evaluation.response import interval as response_interval
from training.evaluation.response import mean, probability_figures
from training.layers.responses.ads import labels, users

TITLE = "Will this user respond to this ad?"
NAMES = {
    "complete_journey": "Complete Journey: was a coupon of the mailed campaign redeemed?",
    "open_bandit": "Open Bandit: was the item that was shown clicked?",
    "simulator": "Simulator, campaigns sent at random",
}
METRICS = ("auc", "log_loss", "brier", "ece")
OUTCOMES = ("spend_after", "advertised_spend_after")
INTRODUCTION = """Probabilities are tuned and calibrated (Platt) on the validation ads and evaluated
on the test ads, which were shown last; every model has the same columns and the same tuning
budget. *behind* is how much worse than `logistic_response` a model is, row by row: above 0 ours is
better. Seconds are of preparing, tuning, fitting, calibrating and predicting. Intervals are over
users, in Open Bandit, which does not identify users, over impressions."""
UPLIFT_INTRODUCTION = """Uplift of a campaign on a user's spending, in the shop's currency: *mean*
over all; *gain*, beyond the mean, for each of the three tenths of users that a model ranks first;
*Qini*, the area between that order and a random one. The assumptions are those of
`training/layers/responses/uplift.py`. The trees are two models, of treated users and of the
others."""


def measure(settings: Settings) -> dict[str, Any]:
    """Raises UsageError when the live snapshot isn't of Complete Journey."""
    snapshot = Snapshot.live(settings)
    if snapshot.description.sources != ("complete_journey",):
        raise UsageError(
            f"the live snapshot {snapshot.id} is not of complete_journey",
            "run the main job of that source in an empty home, then measure again",
        )
    real = {"home": str(settings.home), "snapshot_id": snapshot.id}
    answers = {data: _compared(data, real) for data in ("complete_journey", "open_bandit")}
    with tempfile.TemporaryDirectory(prefix="penchant-simulated-") as folder:
        synthetic = {"home": folder, "snapshot_id": simulated(settings, Path(folder))}
        module = "interests.response_uplift"
        uplift = {
            data: {name: isolated(f"{module}:uplift", model=name, **of).value for name in UPLIFTS}
            for data, of in (("complete_journey", real), ("simulator", synthetic))
        }
        truth = isolated(f"{module}:truth", **synthetic).value
    return {"answers": answers, "uplift": uplift, "truth": truth}


def _compared(data: str, of: dict[str, str]) -> dict[str, Any]:
    """Each model's figures, and how far it is behind ours, row by row."""
    answers = "interests.response_models:answers"
    runs = {name: isolated(answers, data=data, model=name, **of) for name in MODELS}
    split = ads(data, **of)
    label_N, held_N = labels(split.test, "test"), labels(split.validation, "validation")
    user_N = np.arange(len(split.test)) if data == "open_bandit" else users(split.test)
    probability = {name: np.array(done.value["probability"]) for name, done in runs.items()}
    loss = {name: log_loss(label_N, each_N) for name, each_N in probability.items()}
    ours_auc = auc(label_N, probability[OURS])
    models = {
        name: {
            **probability_figures(label_N, each_N, user_N, seed=0),
            "seconds": runs[name].value["seconds"],
            "peak_mb": runs[name].peak_mb,
            "auc_behind": response_interval(_less(ours_auc, auc(label_N, each_N)), user_N, seed=0),
            "log_loss_behind": response_interval(mean(loss[name] - loss[OURS]), user_N, seed=0),
        }
        for name, each_N in probability.items()
    }
    rate = probability_figures(label_N, np.full(len(label_N), held_N.mean()), user_N, seed=0)
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    counts = {name: [len(part), int(labels(part, name).sum())] for name, part in parts.items()}
    return {"models": models, "rate": rate, "counts": counts}


def _less(one: Statistic, other: Statistic) -> Statistic:
    return lambda weights_RN: one(weights_RN) - other(weights_RN)


def page(figures: dict[str, Any]) -> str:
    parts = [INTRODUCTION]
    for data, one in figures["answers"].items():
        parts += [_answers(data, one), _verdict(one["models"])]
    parts.append(UPLIFT_INTRODUCTION)
    parts += [_uplift(data, one) for data, one in figures["uplift"].items()]
    return "\n\n".join([*parts, _truth(figures["truth"])])


def _answers(data: str, one: dict[str, Any]) -> str:
    counts = ", ".join(
        f"{name} {shown:,} shown and {answered:,} answered"
        for name, (shown, answered) in one["counts"].items()
    )
    rows = []
    for name, model in one["models"].items():
        behind = [interval(model[f"{metric}_behind"], 3, "+") for metric in ("auc", "log_loss")]
        rows.append(
            [
                f"`{name}`" if name.startswith("log") else name,
                *(interval(model[metric], 3) for metric in METRICS),
                *(["", ""] if name == OURS else behind),
                f"{model['seconds']:.2f}",
                f"{model['peak_mb']:,.0f}",
            ]
        )
    rate = [interval(one["rate"][metric], 3) for metric in METRICS]
    rows.append(["the validation ads' rate for all", *rate, *[""] * 4])
    head = ["model", "AUC", "log loss", "Brier", "ECE", "AUC behind", "log loss behind"]
    table = grid([*head, "seconds", "MB"], rows)
    return f"### {NAMES[data]}\n\n{counts[0].upper()}{counts[1:]}.\n\n{table}"


def _verdict(models: dict[str, Any]) -> str:
    """Whether the targets are met: as good as scikit-learn in no more time, and as the trees."""
    sentences = []
    for what, name in (("scikit-learn's LogisticRegression", LINEAR), ("the trees", TREES)):
        behind = models[name]["auc_behind"]
        relation = "significantly better than" if behind["low"] > 0 else "not distinguishable from"
        relation = "significantly worse than" if behind["high"] < 0 else relation
        times = models[OURS]["seconds"] / models[name]["seconds"]
        sentences.append(f"By AUC `{OURS}` is {relation} {what}, in {times:.2f} times its seconds.")
    better = models[PLAIN]["log_loss_behind"]["low"] > 0
    sentences.append(f"Crosses {'improve' if better else 'do not significantly improve'} log loss.")
    if all(model["auc"]["low"] <= 0.5 for model in models.values()):
        sentences.append("No model predicts a response here: each interval of AUC includes 0.5.")
    return " ".join(sentences)


def _uplift(data: str, models: dict[str, Any]) -> str:
    first = next(iter(models.values()))["spend_after"]
    rows = [
        [
            name,
            *(
                interval(one[outcome][each], 2, "+")
                for outcome in OUTCOMES
                for each in ("mean", "gain", "qini")
            ),
        ]
        for name, one in models.items()
    ]
    head = ["ordered by", "mean, all spending", "gain", "Qini", "mean, advertised", "gain", "Qini"]
    return (
        f"### Uplift: {NAMES[data].split(':')[0]}\n\n{first['users']:,} offers of the test "
        f"campaigns, {first['sent']:,} of them sent.\n\n{grid(head, rows)}"
    )


def _truth(truth: dict[str, Any]) -> str:
    ours, best = truth["ours"], truth["by_the_truth"]
    return (
        "The simulator's effects are known. `linear_response`, fitted on what is spent on what is "
        f"advertised, has a rank correlation of {truth['rank_correlation']:.2f} with them; its "
        f"gain is {interval(ours['gain'], 2, '+')}, that of the true order "
        f"{interval(best['gain'], 2, '+')}. The mean effect, {interval(ours['mean'], 2, '+')}, is "
        "also seen without a model, since campaigns are sent at random: "
        f"{truth['sent_less_not_sent']:+.2f} between treated users and the others."
    )
