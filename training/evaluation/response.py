"""Evaluation of families that predict the response to an ad: discrimination, calibration, uplift.

On the ads shown last (ads.py). The baseline is the response rate of the validation ads. Intervals
are over resampled users.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from penchant.encryption import parquet as pq
from training.data.histories import IntArray
from training.evaluation.context import EvaluationContext, Figures
from training.evaluation.metrics.auc import auc
from training.evaluation.metrics.brier import brier
from training.evaluation.metrics.calibration import BINS, bins_of, calibration_error
from training.evaluation.metrics.intervals import (
    FloatArray,
    Statistic,
    ratio,
    statistic_intervals,
)
from training.evaluation.metrics.log_loss import log_loss
from training.fitting.capabilities import PredictsResponse
from training.fitting.family import Family
from training.layers.responses.ads import (
    CANDIDATES,
    RESPONSES,
    SPENDING,
    AdSplit,
    AdWindows,
    labels,
    offered_now,
    users,
)
from training.layers.responses.uplift import Residuals, residuals

TENTHS = 10
BEST = 3  # tenths of the score
OUTCOMES = ("spend_after", "advertised_spend_after")
UPLIFT_METRICS = ("mean", "gain", "qini")


def evaluate(family: Family, context: EvaluationContext) -> Figures:
    """``metrics`` of the test ads; ``baseline`` and ``reliability`` of probabilities; ``uplift`` by
    tenth of users.

    Writes ``upcoming.parquet``: predicted responses to the running campaigns. Raises DataError when
    the test ads were answered by all or by none.
    """
    assert isinstance(family, PredictsResponse)
    ads = AdWindows.of(context.training.training_set(RESPONSES))
    shown = ads.split(context.training.training_set(RESPONSES))
    label_N = labels(shown.test, "test")
    score_N = family.responses(shown.test).numpy()
    user_N = users(shown.test)
    figures: dict[str, Any] = {}
    baseline: dict[str, Any] = {}
    reliability: list[dict[str, Any]] = []
    if family.response == "probability":
        even_N = np.full(len(label_N), labels(shown.validation, "validation").mean())
        figures = probability_figures(label_N, score_N, user_N, context.seed)
        baseline = probability_figures(label_N, even_N, user_N, context.seed)
        reliability = reliability_curve(label_N, score_N, user_N, context.seed)
    context.training.budget.check()
    write_upcoming(family, context)
    offered = ads.split(context.training.training_set(SPENDING)).test
    offered_score_N = family.responses(offered).numpy()
    uplift = {
        outcome: uplift_figures(offered, offered_score_N, residuals(offered, outcome), context.seed)
        for outcome in OUTCOMES
    }
    spending = uplift["spend_after"]
    return {
        "response": family.response,
        "ads": _counts(shown),
        "metrics": figures | {f"uplift_{name}": spending[name] for name in UPLIFT_METRICS},
        "baseline": baseline,
        "reliability": reliability,
        "uplift": uplift,
        "headline": _headline(figures, uplift),
    }


def write_upcoming(family: PredictsResponse, context: EvaluationContext) -> None:
    """user_id, ad_id and the predicted response, for each running campaign and known user."""
    candidates = context.training.training_set(CANDIDATES)
    response_N = np.zeros(0)
    if len(candidates):
        response_N = family.responses(offered_now(candidates)).numpy().astype(np.float64)
    table = candidates.select(["user_id", "ad_id"]).append_column(
        family.response, pa.array(response_N, pa.float64())
    )
    pq.write_table(table, context.folder / "upcoming.parquet")


def probability_figures(
    label_N: FloatArray, probability_N: FloatArray, user_N: IntArray, seed: int
) -> dict[str, Any]:
    """AUC, log loss, Brier score and expected calibration error."""
    statistics = {
        "auc": auc(label_N, probability_N),
        "log_loss": mean(log_loss(label_N, probability_N)),
        "brier": mean(brier(label_N, probability_N)),
        "ece": expected_calibration_error(label_N, probability_N),
    }
    return {name: interval(statistic, user_N, seed) for name, statistic in statistics.items()}


def reliability_curve(
    label_N: FloatArray, probability_N: FloatArray, user_N: IntArray, seed: int
) -> list[dict[str, Any]]:
    """For each bin of the same number of rows: mean prediction and response rate."""
    bin_N = bins_of(probability_N)
    found = np.unique(bin_N)
    onto_NB = (bin_N[:, None] == found).astype(np.float64)

    def rate(weights_RN: FloatArray) -> FloatArray:
        return ratio(weights_RN @ (label_N[:, None] * onto_NB), weights_RN @ onto_NB)

    curve = zip(found, statistic_intervals(rate, user_N, seed), strict=True)
    return [
        {"predicted": float(probability_N[bin_N == index].mean()), "came": asdict(one)}
        for index, one in curve
    ]


def uplift_figures(
    offered: pa.Table, score_N: FloatArray, residual: Residuals, seed: int
) -> dict[str, Any]:
    """Money that the campaigns added for each user: of all, and by tenth of the score, highest
    first.

    ``gain``: added for each of the best three tenths, beyond the mean. ``qini``: area between the
    curves of sending to the highest scores first and of sending at random, for each user (after
    Radcliffe 2007).
    """
    order = np.argsort(-score_N, kind="stable")
    tenth_N = np.empty(len(score_N), np.int64)
    tenth_N[order] = np.arange(len(score_N)) * TENTHS // len(score_N)
    onto_NT = np.eye(TENTHS)[tenth_N]
    added_NT = (residual.sent_N * residual.spent_N)[:, None] * onto_NT
    weight_NT = (residual.sent_N**2)[:, None] * onto_NT

    def statistic(weights_RN: FloatArray) -> FloatArray:
        added_RT, weight_RT = weights_RN @ added_NT, weights_RN @ weight_NT
        effect_RT = ratio(added_RT, weight_RT)  # 0 in a tenth without users in a resample
        mean_R = added_RT.sum(axis=1) / weight_RT.sum(axis=1)
        best_R = added_RT[:, :BEST].sum(axis=1) / weight_RT[:, :BEST].sum(axis=1)
        above_RT = np.cumsum(effect_RT - effect_RT.mean(axis=1, keepdims=True), axis=1) / TENTHS
        return np.column_stack([mean_R, best_R - mean_R, above_RT.mean(axis=1), effect_RT])

    found = [asdict(one) for one in statistic_intervals(statistic, users(offered), seed)]
    overall, gain, qini, *tenths = found
    return {
        "users": len(score_N),
        "sent": int((residual.sent_N > 0).sum()),
        "mean": overall,
        "gain": gain,
        "qini": qini,
        "by_tenth": tenths,
    }


def mean(value_N: FloatArray) -> Statistic:
    return lambda weights_RN: (weights_RN @ value_N / weights_RN.sum(axis=1))[:, None]


def expected_calibration_error(label_N: FloatArray, probability_N: FloatArray) -> Statistic:
    """See ``calibration_error``."""
    onto_NB = np.eye(BINS)[bins_of(probability_N)]

    def statistic(weights_RN: FloatArray) -> FloatArray:
        gap_RB = weights_RN @ ((probability_N - label_N)[:, None] * onto_NB)
        return calibration_error(gap_RB, weights_RN.sum(axis=1))[:, None]

    return statistic


def interval(statistic: Statistic, user_N: IntArray, seed: int) -> dict[str, float]:
    """The statistic's one figure with its interval over resampled users, as JSON."""
    return asdict(statistic_intervals(statistic, user_N, seed)[0])


def _counts(shown: AdSplit) -> dict[str, Any]:
    parts = {"train": shown.train, "validation": shown.validation, "test": shown.test}
    counts = {
        name: {
            "shown": len(part),
            "answered": int(part["converted"].cast(pa.int64()).to_numpy().sum()),
            "campaigns": len(set(part["ad_id"].to_pylist())),
        }
        for name, part in parts.items()
    }
    return {**counts, "left_out": shown.left_out}


def _headline(figures: dict[str, Any], uplift: dict[str, Any]) -> str:
    if figures:
        auc_, loss = figures["auc"], figures["log_loss"]
        return (
            f"response AUC {auc_['mean']:.3f} [{auc_['low']:.3f}, {auc_['high']:.3f}], "
            f"log loss {loss['mean']:.4f}"
        )
    gain = uplift["spend_after"]["gain"]
    return f"uplift gain {gain['mean']:+.2f} [{gain['low']:+.2f}, {gain['high']:+.2f}]"
