"""Will this user respond to this ad: ours and what people use today, on the same ads.

Each model has the same columns of the same rows, is tuned on the same validation ads, and its
probabilities are calibrated there by the same Platt scaling. Seconds are of the whole of that and
of answering the test ads, the median of three times; a model is imported before.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.interests.response_models import LINEAR, MODELS, OURS, PLAIN, TREES, ads
from benchmarks.interests.response_uplift import UPLIFTS, simulated
from benchmarks.isolated import apart
from penchant.artifacts import Snapshot
from penchant.errors import UsageError
from penchant.settings import Settings
from training.evaluation.metrics.auc import auc
from training.evaluation.metrics.intervals import Statistic
from training.evaluation.metrics.log_loss import log_loss
from training.evaluation.response import interval, mean, probability_figures
from training.layers.responses.ads import labels, users

TITLE = "Will this user respond to this ad?"


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
        simulated_shop = {"home": folder, "snapshot_id": simulated(settings, Path(folder))}
        uplift = {
            data: {
                name: apart("response_uplift:uplift", model=name, **where).value for name in UPLIFTS
            }
            for data, where in (("complete_journey", real), ("simulator", simulated_shop))
        }
        truth = apart("response_uplift:truth", **simulated_shop).value
    return {"answers": answers, "uplift": uplift, "truth": truth}


def _compared(data: str, where: dict[str, str]) -> dict[str, Any]:
    """Each model's figures, and by how much ours is better than it, row by row."""
    told = {
        name: apart("response_models:answers", data=data, model=name, **where) for name in MODELS
    }
    split = ads(data, **where)
    label_N, held_N = labels(split.test, "test"), labels(split.validation, "validation")
    user_N = _resampled(data, split.test)
    probability = {name: np.array(done.value["probability"]) for name, done in told.items()}
    loss = {name: log_loss(label_N, each_N) for name, each_N in probability.items()}
    ours_auc = auc(label_N, probability[OURS])
    models = {
        name: {
            **probability_figures(label_N, each_N, user_N, seed=0),
            "seconds": told[name].value["seconds"],
            "peak_mb": told[name].peak_mb,
            "auc_behind": interval(_less(ours_auc, auc(label_N, each_N)), user_N, seed=0),
            "log_loss_behind": interval(mean(loss[name] - loss[OURS]), user_N, seed=0),
        }
        for name, each_N in probability.items()
    }
    rate = probability_figures(label_N, np.full(len(label_N), held_N.mean()), user_N, seed=0)
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    counts = {name: [len(part), int(labels(part, name).sum())] for name, part in parts.items()}
    return {"models": models, "rate": rate, "counts": counts}


def _less(one: Statistic, other: Statistic) -> Statistic:
    return lambda weights_RN: one(weights_RN) - other(weights_RN)


def _resampled(data: str, test: pa.Table) -> np.ndarray:
    """Users; in Open Bandit impressions, since users are not identified there."""
    return np.arange(len(test)) if data == "open_bandit" else users(test)


def page(figures: dict[str, Any]) -> str:
    return "\n\n".join(
        [
            INTRODUCTION,
            *(
                part
                for data, one in figures["answers"].items()
                for part in (_answers_table(data, one), _verdict(one["models"]))
            ),
            UPLIFT_INTRODUCTION,
            *(_uplift_table(data, one) for data, one in figures["uplift"].items()),
            _truth(figures["truth"]),
        ]
    )


INTRODUCTION = """Probabilities are tuned and calibrated (Platt) on the validation ads and evaluated
on the test ads, which were shown last; every model has the same columns and the same tries.
*behind* is how much worse than `logistic_response` a model is, row by row: above 0 ours is better.
Seconds are of preparing, tuning, fitting, calibrating and answering. Intervals are over users, in
Open Bandit, where users are not identified, over impressions."""
UPLIFT_INTRODUCTION = """What a campaign adds to a user's spending, in the shop's money: *mean*
over all; *gain*, beyond the mean, for each of the three tenths of users that a model would send
it to first; *Qini*, the area between that order and none. The assumptions are those of
`training/layers/responses/uplift.py`. The trees are two models, of those who were sent it and the
others."""
NAMES = {
    "complete_journey": "Complete Journey: was a coupon of the mailed campaign redeemed?",
    "open_bandit": "Open Bandit: was the item that was shown clicked?",
    "simulator": "Simulator, campaigns sent by a coin",
}


def _answers_table(data: str, one: dict[str, Any]) -> str:
    counts = ", ".join(
        f"{name} {shown:,} shown and {answered:,} answered"
        for name, (shown, answered) in one["counts"].items()
    )
    lines = [
        f"### {NAMES[data]}",
        "",
        f"{counts[0].upper()}{counts[1:]}.",
        "",
        "| model | AUC | log loss | Brier | ECE | AUC behind | log loss behind | seconds | MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, model in one["models"].items():
        cells = [_shown(model[each]) for each in ("auc", "log_loss", "brier", "ece")]
        behind = [_shown(model[each], "+") for each in ("auc_behind", "log_loss_behind")]
        behind = ["", ""] if name == OURS else behind
        row = [f"`{name}`" if name.startswith("log") else name, *cells, *behind]
        row += [f"{model['seconds']:.2f}", f"{model['peak_mb']:,.0f}"]
        lines.append(f"| {' | '.join(row)} |")
    rate = [_shown(one["rate"][each]) for each in ("auc", "log_loss", "brier", "ece")]
    lines.append(f"| the validation ads' rate for all | {' | '.join(rate)} | | | | |")
    return "\n".join(lines)


def _verdict(models: dict[str, Any]) -> str:
    """Whether the targets are met: scikit-learn's regression matched in no more time, and the trees
    not behind."""
    ours, linear, trees = (models[name] for name in (OURS, LINEAR, TREES))
    told = []
    for what, other in (("scikit-learn's LogisticRegression", linear), ("the trees", trees)):
        behind = other["auc_behind"]
        place = "better than" if behind["low"] > 0 else "not apart from"
        place = "worse than" if behind["high"] < 0 else place
        times = ours["seconds"] / other["seconds"]
        told.append(
            f"by AUC and its interval `{OURS}` is {place} {what}, in {times:.2f} times its seconds"
        )
    crossed = models[PLAIN]["log_loss_behind"]
    worth = "are worth" if crossed["low"] > 0 else "are not shown to be worth"
    text = f"{told[0][0].upper()}{told[0][1:]}; {told[1]}. Crosses {worth} their time here."
    if all(model["auc"]["low"] <= 0.5 for model in models.values()):
        text += " No model predicts an answer here: each interval of AUC holds the 0.5 of none."
    return text


def _uplift_table(data: str, models: dict[str, Any]) -> str:
    first = next(iter(models.values()))["spend_after"]
    lines = [
        f"### Uplift: {NAMES[data].split(':')[0]}",
        "",
        f"{first['users']:,} offers of the test campaigns, {first['sent']:,} of them sent.",
        "",
        "| ordered by | mean, all spending | gain | Qini | mean, advertised | gain | Qini |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in models.items():
        cells = [
            _shown(one[outcome][each], "+", 2)
            for outcome in ("spend_after", "advertised_spend_after")
            for each in ("mean", "gain", "qini")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _truth(truth: dict[str, Any]) -> str:
    ours, best = truth["ours"], truth["by_the_truth"]
    return (
        f"The simulator knows its pull. `linear_response`, fitted on what is spent on what is "
        f"advertised, has a rank correlation of {truth['rank_correlation']:.2f} with the true "
        f"effects; its gain is {_shown(ours['gain'], '+', 2)} where ordering by the truth gives "
        f"{_shown(best['gain'], '+', 2)}. The mean effect, {_shown(ours['mean'], '+', 2)}, is what "
        f"a coin makes visible without a model: {truth['sent_less_not_sent']:+.2f} between those "
        "who were sent the campaigns and those who were not."
    )


def _shown(figure: dict[str, float], sign: str = "", digits: int = 3) -> str:
    mean_, low, high = (f"{figure[each]:{sign}.{digits}f}" for each in ("mean", "low", "high"))
    return f"{mean_} ({low} to {high})"
