"""One gradient-boosting model of all items: the next weeks from lags, price, category and season.

It is trained on the weeks before an origin, each of which is an earlier origin of its own. Weeks
ahead are a feature, so one model gives all horizons (direct forecasting). The Tweedie loss fits
counts with many zeros.
"""

from dataclasses import dataclass

import numpy as np

from penchant.insights.demand.methods import HORIZON, YEAR
from penchant.insights.demand.series import Demand, Floats

ROWS = 200_000  # of training, sampled
EARLIEST = 8  # weeks before the first origin of training
TREES = 150
PARAMETERS = {
    "objective": "tweedie",
    "tweedie_variance_power": 1.3,
    "learning_rate": 0.06,
    "num_leaves": 31,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
}
WINDOWS = (2, 4, 8, 13, 26)


@dataclass(frozen=True)
class _History:
    """Weekly arrays that the features of every origin are cut from."""

    weekly_NT: Floats
    price_NT: Floats
    category_CT: Floats
    category_N: np.ndarray


def global_forecasts(demand: Demand, seed: int, threads: int) -> Floats:
    """forecasts_NH of every item, by a model that is trained on the same weeks."""
    import lightgbm

    weekly_NT = demand.weekly_NT
    history = _History(
        weekly_NT,
        demand.price_NT.astype(np.float64),
        demand.by_category(weekly_NT),
        demand.category_N,
    )
    features_RF, target_R = _training_rows(history, np.random.default_rng(seed))
    model = lightgbm.train(
        PARAMETERS | {"seed": seed, "num_threads": threads},
        lightgbm.Dataset(features_RF, target_R),
        num_boost_round=TREES,
    )
    rows_N = np.arange(len(weekly_NT))
    return np.column_stack(
        [
            model.predict(_features(history, rows_N, demand.weeks, ahead), num_threads=threads)
            for ahead in range(HORIZON)
        ]
    )


def _training_rows(history: _History, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Sampled (item, origin, weeks ahead) with a sale in the 26 weeks before the origin."""
    weeks = history.weekly_NT.shape[1]
    first = min(EARLIEST, weeks // 2)
    cells = [(origin, ahead) for origin in range(first, weeks) for ahead in range(HORIZON)]
    cells = [(origin, ahead) for origin, ahead in cells if origin + ahead < weeks]
    each = max(1, ROWS // len(cells))
    features, targets = [], []
    for origin, ahead in cells:
        recent_NT = history.weekly_NT[:, max(0, origin - 26) : origin]
        rows_N = np.flatnonzero(recent_NT.any(axis=1))
        if len(rows_N) > each:
            rows_N = np.sort(random.choice(rows_N, each, replace=False))
        features.append(_features(history, rows_N, origin, ahead))
        targets.append(history.weekly_NT[rows_N, origin + ahead])
    return np.concatenate(features), np.concatenate(targets)


def _features(history: _History, rows_N: np.ndarray, origin: int, ahead: int) -> Floats:
    """Of items at an origin, from the weeks before it alone."""
    before_NT = history.weekly_NT[rows_N, max(0, origin - YEAR) : origin]
    price_NT = history.price_NT[rows_N, max(0, origin - 13) : origin]
    category_CT = history.category_CT[:, max(0, origin - 13) : origin]
    means = [before_NT[:, -window:].mean(axis=1) for window in WINDOWS]
    sold_NT = before_NT > 0
    since_last_N = np.where(
        sold_NT.any(axis=1), np.argmax(sold_NT[:, ::-1], axis=1), before_NT.shape[1]
    )
    since_first_N = np.where(
        sold_NT.any(axis=1), before_NT.shape[1] - np.argmax(sold_NT, axis=1), 0
    )
    trend_C = (category_CT[:, -4:].mean(axis=1) + 1) / (category_CT.mean(axis=1) + 1)
    last_price_N, usual_price_N = _last(price_NT), _mean(price_NT)
    with np.errstate(invalid="ignore", divide="ignore"):
        cheaper_N = last_price_N / usual_price_N
    angle = 2 * np.pi * ((origin + ahead) % YEAR) / YEAR
    last_year = origin + ahead - YEAR
    lag_year_N = (
        history.weekly_NT[rows_N, last_year] if last_year >= 0 else np.full(len(rows_N), np.nan)
    )
    return np.column_stack(
        [
            *(before_NT[:, -lag] for lag in range(1, min(5, before_NT.shape[1] + 1))),
            *means,
            before_NT[:, -13:].std(axis=1),
            sold_NT[:, -13:].mean(axis=1),
            since_last_N,
            since_first_N,
            trend_C[history.category_N[rows_N]],
            usual_price_N,
            cheaper_N,
            lag_year_N,
            np.full(len(rows_N), ahead),
            np.full(len(rows_N), np.sin(angle)),
            np.full(len(rows_N), np.cos(angle)),
        ]
    )


def _last(price_NT: Floats) -> Floats:
    """The newest price that is known; NaN without one."""
    known_NT = ~np.isnan(price_NT)
    newest_N = price_NT.shape[1] - 1 - np.argmax(known_NT[:, ::-1], axis=1)
    return price_NT[np.arange(len(price_NT)), newest_N]


def _mean(price_NT: Floats) -> Floats:
    """The mean of the known prices; NaN without one."""
    count_N = (~np.isnan(price_NT)).sum(axis=1)
    return np.where(count_N, np.nansum(price_NT, axis=1) / np.maximum(count_N, 1), np.nan)
