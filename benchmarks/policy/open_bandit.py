"""The value of Open Bandit's `bts` policy estimated from the log of its `random` policy."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.rows import grid, interval
from penchant.bandits.logistic import LogisticPosterior, sigmoid
from penchant.bandits.slates import FloatArray, IntArray
from penchant.ingestion.sources.open_bandit import CAMPAIGNS, affinities, impressions, items, wheel
from penchant.settings import Settings
from training.evaluation.metrics.intervals import ratio, resampled_means
from training.evaluation.metrics.off_policy import (
    Logged,
    doubly_robust,
    ips,
    logged,
    switch_threshold,
)

TITLE = "Open Bandit: the value of `bts` from the log of `random`"
POSITIONS = 3
FOLDS = 3
CLIP = 5.0
RESAMPLES = 1000
CAPTION = """Both logs are the data set's small sample: 10,000 impressions each and about 40 clicks,
so all intervals are wide, including that of the value itself. *Relative error* is the estimate over
the on-policy value, less 1; its interval resamples the rows of both logs. The evaluated policy is
the frequency with which `bts` showed each item at each position over the week: its propensities
changed hourly as it learned, and the package's prior does not give them. None of its clicks is
used. The model of DM, DR and switch-DR is logistic regression on the random log, on item, position
and the user's affinity, cross-fitted; the interval of DM leaves out the error of that model."""


@dataclass(frozen=True)
class Log:
    """A campaign under one policy; positions and items count from 0."""

    items_N: IntArray
    positions_N: IntArray
    clicks_N: FloatArray
    propensity_N: FloatArray
    affinities_NI: FloatArray


def measure(settings: Settings) -> dict[str, Any]:
    file = wheel(settings)
    return {campaign: _campaign(file, campaign, settings.seed) for campaign in CAMPAIGNS}


def _campaign(file: Any, campaign: str, seed: int) -> dict[str, Any]:
    random, bts = (_log(impressions(file, name, campaign)) for name in ("random", "bts"))
    count = len(items(file, campaign))
    shown_KI = np.zeros((POSITIONS, count))
    np.add.at(shown_KI, (bts.positions_N, bts.items_N), 1.0)
    policy_KI = shown_KI / shown_KI.sum(axis=1, keepdims=True)
    predicted_NI = _predictions(random, count, seed)
    rows_N = np.arange(len(random.items_N))
    probability_NI = policy_KI[random.positions_N]
    log = logged(
        random.clicks_N,
        random.propensity_N,
        probability_NI[rows_N, random.items_N],
        predicted_NI[rows_N, random.items_N],
        (probability_NI * predicted_NI).sum(axis=1),
    )
    truth = bts.clicks_N.mean()
    drawn_truth_R = _drawn(bts.clicks_N, np.ones(len(bts.clicks_N)), seed + 1)
    terms = _terms(log)
    estimated = {}
    for name, (terms_N, weights_N) in terms.items():
        drawn_R = _drawn(terms_N, weights_N, seed)
        with np.errstate(divide="ignore"):
            error_R = drawn_R / drawn_truth_R - 1
        value = float(terms_N.sum() / weights_N.sum())
        estimated[name] = {
            "value": _interval(value, drawn_R),
            "relative_error": _interval(value / truth - 1, error_R),
        }
    return {
        "rows": len(random.items_N),
        "on_policy": _interval(truth, drawn_truth_R),
        "effective_size": log.effective_size,
        "estimates": estimated,
    }


def _interval(value: float, drawn_R: FloatArray) -> dict[str, float]:
    low, high = np.quantile(drawn_R, [0.025, 0.975]).tolist()
    return {"mean": float(value), "low": low, "high": high}


def _terms(log: Logged) -> dict[str, tuple[FloatArray, FloatArray]]:
    """The numerator and denominator of each estimator, by row."""
    ones_N = np.ones(len(log.reward_N))
    switched = doubly_robust(log, threshold=switch_threshold(log, 1.0))
    return {
        "IPS": (ips(log), ones_N),
        "clipped IPS": (ips(log, clip=CLIP), ones_N),
        "SNIPS": (ips(log), log.weight_N),
        "DM": (log.value_N, ones_N),
        "DR": (doubly_robust(log), ones_N),
        "switch-DR": (switched, ones_N),
    }


def _drawn(terms_N: FloatArray, weights_N: FloatArray, seed: int) -> FloatArray:
    terms_R, weights_R = resampled_means(np.stack([terms_N, weights_N], axis=1), seed, RESAMPLES).T
    return ratio(terms_R, weights_R)


def _log(table: Any) -> Log:
    columns = ("item_id", "position", "click", "propensity_score")
    item_N, position_N, click_N, propensity_N = (table[name].to_numpy() for name in columns)
    return Log(item_N, position_N - 1, click_N * 1.0, propensity_N, affinities(table) * 1.0)


def _predictions(log: Log, count: int, seed: int) -> FloatArray:
    """clicks_NI predicted of every item for each row, cross-fitted."""
    fold_N = np.random.default_rng(seed).permutation(len(log.items_N)) % FOLDS
    affinity_N = log.affinities_NI[np.arange(len(log.items_N)), log.items_N]
    features_ND = np.concatenate(
        [np.eye(POSITIONS)[log.positions_N], affinity_N[:, None], np.eye(count)[log.items_N]],
        axis=1,
    )
    predicted_NI = np.zeros((len(log.items_N), count))
    prior_precision = np.concatenate([np.full(POSITIONS + 1, 0.05), np.full(count, 4.0)])
    for fold in range(FOLDS):
        train, held_out = fold_N != fold, fold_N == fold
        scale_D = 1 / np.sqrt(prior_precision)  # a prior of its own for each weight
        prior = LogisticPosterior.prior(1, features_ND.shape[1])
        fitted = prior.updated(features_ND[train] * scale_D, log.clicks_N[train])
        weights_D = fitted.weights.mean_AD[0] * scale_D
        own_N = weights_D[log.positions_N[held_out]]
        logits_NI = own_N[:, None] + weights_D[POSITIONS] * log.affinities_NI[held_out]
        predicted_NI[held_out] = sigmoid(logits_NI + weights_D[POSITIONS + 1 :])
    return predicted_NI


def page(figures: dict[str, Any]) -> str:
    rows = [
        [
            campaign,
            name,
            interval(one["value"]),
            interval(one["relative_error"], 2),
            interval(found["on_policy"]),
            f"{found['effective_size']:,.0f} of {found['rows']:,}",
        ]
        for campaign, found in figures.items()
        for name, one in found["estimates"].items()
    ]
    head = ["campaign", "estimator", "value", "relative error", "on-policy value"]
    return f"{CAPTION}\n\n{grid([*head, 'effective rows'], rows)}"
