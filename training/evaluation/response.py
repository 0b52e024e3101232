"""The judge of families that predict the response to an ad: are its answers in the right order, are
its probabilities what happens, and do those whom it picks spend more for having been sent the ad.

Judged on the ads shown last (ads.py), beside what says the same of everybody: the share of the
validation ads that were answered. Intervals are of resampled users (percentile bootstrap).
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from training.evaluation.context import EvaluationContext
from training.evaluation.metrics.intervals import RESAMPLES, Interval
from training.fitting.capabilities import PredictsResponse
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
from training.layers.responses.calibration import bins_of
from training.layers.responses.uplift import Residuals, residuals

Doubles = npt.NDArray[np.float64]
Measure = Callable[[Doubles], Doubles]
"""weights_RN, how often each row counts in each resample -> figures_RM of each resample."""

BINS = 10
BEST = 3  # tenths of the score
OUTCOMES = ("spend_after", "advertised_spend_after")
UPLIFT_METRICS = ("mean", "gain", "qini")
BLOCK = 100  # resamples at a time: bounds the memory


def evaluate(family: PredictsResponse, context: EvaluationContext) -> dict[str, Any]:
    """The record's entry: ``metrics`` of the test ads; of probabilities, ``baseline`` of the rate
    alone and ``reliability`` by bin; and ``uplift`` by tenth of users.
    Writes ``upcoming.parquet``: what it predicts of the campaigns that still run.

    Raises DataError when the test ads were answered by all or by none.
    """
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
    """user_id, ad_id and the response predicted, of each campaign that runs and each known user."""
    candidates = context.training.training_set(CANDIDATES)
    response_N = np.zeros(0)
    if len(candidates):
        response_N = family.responses(offered_now(candidates)).numpy().astype(np.float64)
    table = candidates.select(["user_id", "ad_id"]).append_column(
        family.response, pa.array(response_N, pa.float64())
    )
    pq.write_table(table, context.folder / "upcoming.parquet")


def probability_figures(
    label_N: Doubles, probability_N: Doubles, user_N: npt.NDArray[np.int64], seed: int
) -> dict[str, Any]:
    """AUC, log loss (natural logarithm), Brier score and expected calibration error."""
    likely_N = np.where(label_N > 0, probability_N, 1 - probability_N)
    measures = {
        "auc": auc(label_N, probability_N),
        "log_loss": mean(-np.log(np.clip(likely_N, 1e-12, 1))),
        "brier": mean((probability_N - label_N) ** 2),
        "ece": calibration_error(label_N, probability_N),
    }
    return {name: interval(measure, user_N, seed) for name, measure in measures.items()}


def reliability_curve(
    label_N: Doubles, probability_N: Doubles, user_N: npt.NDArray[np.int64], seed: int
) -> list[dict[str, Any]]:
    """For each bin of as many rows: what was predicted, on average, and what came."""
    bin_N = bins_of(probability_N, BINS)
    found = np.unique(bin_N)
    onto_NB = (bin_N[:, None] == found).astype(np.float64)

    def came(weights_RN: Doubles) -> Doubles:
        rows_RB = weights_RN @ onto_NB
        answered_RB = weights_RN @ (label_N[:, None] * onto_NB)
        return np.divide(answered_RB, rows_RB, where=rows_RB > 0, out=0 * rows_RB)

    curve = zip(found, intervals(came, user_N, seed), strict=True)
    return [
        {"predicted": float(probability_N[bin_N == index].mean()), "came": rate}
        for index, rate in curve
    ]


def uplift_figures(
    offered: pa.Table, score_N: Doubles, residual: Residuals, seed: int
) -> dict[str, Any]:
    """What the campaigns added for each user in money: of all, and by tenth of the score, the
    highest first.

    ``gain``: what sending to the best three tenths adds for each of them beyond the mean. ``qini``:
    the area between what is added by sending to the highest scores first and by sending at random,
    for each user (after Radcliffe 2007), money.
    """
    order = np.argsort(-score_N, kind="stable")
    tenth_N = np.empty(len(score_N), np.int64)
    tenth_N[order] = np.arange(len(score_N)) * BINS // len(score_N)
    onto_NT = np.eye(BINS)[tenth_N]
    added_NT = (residual.sent_N * residual.spent_N)[:, None] * onto_NT
    weight_NT = (residual.sent_N**2)[:, None] * onto_NT

    def measure(weights_RN: Doubles) -> Doubles:
        added_RT, weight_RT = weights_RN @ added_NT, weights_RN @ weight_NT
        # of a tenth of which a resample has nobody, nothing is added
        effect_RT = np.divide(added_RT, weight_RT, where=weight_RT > 0, out=0 * added_RT)
        mean_R = added_RT.sum(axis=1) / weight_RT.sum(axis=1)
        best_R = added_RT[:, :BEST].sum(axis=1) / weight_RT[:, :BEST].sum(axis=1)
        above_RT = np.cumsum(effect_RT - effect_RT.mean(axis=1, keepdims=True), axis=1) / BINS
        return np.column_stack([mean_R, best_R - mean_R, above_RT.mean(axis=1), effect_RT])

    overall, gain, qini, *tenths = intervals(measure, users(offered), seed)
    return {
        "users": len(score_N),
        "sent": int((residual.sent_N > 0).sum()),
        "mean": overall,
        "gain": gain,
        "qini": qini,
        "by_tenth": tenths,
    }


def auc(label_N: Doubles, score_N: Doubles) -> Measure:
    """The chance that who answered has a higher score than who did not; equal ones count half."""
    order = np.argsort(score_N, kind="stable")
    label_N, score_N = label_N[order], score_N[order]
    ends = np.flatnonzero(np.append(np.diff(score_N) > 0, True))

    def measure(weights_RN: Doubles) -> Doubles:
        weights_RN = weights_RN[:, order]
        answered_RG = _grouped(weights_RN * label_N, ends)
        not_RG = _grouped(weights_RN * (1 - label_N), ends)
        below_RG = np.cumsum(not_RG, axis=1) - not_RG
        won_R = (answered_RG * (below_RG + 0.5 * not_RG)).sum(axis=1)
        return won_R[:, None] / (answered_RG.sum(axis=1) * not_RG.sum(axis=1))[:, None]

    return measure


def mean(value_N: Doubles) -> Measure:
    return lambda weights_RN: (weights_RN @ value_N / weights_RN.sum(axis=1))[:, None]


def calibration_error(label_N: Doubles, probability_N: Doubles) -> Measure:
    """Mean distance of what was predicted from what came, over bins of as many rows (Naeini et al.
    2015). A resample adds noise to every bin, so that the interval lies high."""
    onto_NB = np.eye(BINS)[bins_of(probability_N, BINS)]

    def measure(weights_RN: Doubles) -> Doubles:
        off_RB = weights_RN @ ((probability_N - label_N)[:, None] * onto_NB)
        return (np.abs(off_RB).sum(axis=1) / weights_RN.sum(axis=1))[:, None]

    return measure


def interval(measure: Measure, user_N: npt.NDArray[np.int64], seed: int) -> dict[str, float]:
    """A figure of all rows, and its 95 % percentile interval over resampled users; seeded."""
    return intervals(measure, user_N, seed)[0]


def intervals(measure: Measure, user_N: npt.NDArray[np.int64], seed: int) -> list[dict[str, float]]:
    """Each of the measure's figures with its interval."""
    random = np.random.default_rng(seed)
    count = int(user_N.max()) + 1
    even = np.full(count, 1 / count)
    drawn_RM = np.concatenate(
        [
            measure(random.multinomial(count, even, size=BLOCK)[:, user_N].astype(np.float64))
            for _ in range(0, RESAMPLES, BLOCK)
        ]
    )
    found_M = measure(np.ones((1, len(user_N))))[0]
    low_M, high_M = np.quantile(drawn_RM, [0.025, 0.975], axis=0)
    rows = zip(found_M, low_M, high_M, strict=True)
    return [asdict(Interval(float(value), float(low), float(high))) for value, low, high in rows]


def _grouped(values_RN: Doubles, ends: npt.NDArray[np.int64]) -> Doubles:
    """Sums over runs of columns that end there."""
    summed = np.cumsum(values_RN, axis=1)[:, ends]
    return np.diff(summed, axis=1, prepend=0.0)


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
