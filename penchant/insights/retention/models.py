"""Models of the return within 28 days and of the money of 90 days.

Each learns from earlier moments, with their outcome, and predicts at a later one. BG/NBD needs no
outcomes: it is fitted on what is known at the moment itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from penchant.insights.retention.bg_nbd import fit_bg_nbd
from penchant.insights.retention.gamma_gamma import fit_gamma_gamma
from penchant.insights.retention.history import (
    RETURN_DAYS,
    VALUE_DAYS,
    Floats,
    Outcome,
    Users,
)

RECENCY, RECENT_VALUE = "recency", "recent_value"
RETURN_MODELS = (RECENCY, "bg_nbd", "logistic", "lightgbm")
VALUE_MODELS = (RECENT_VALUE, "bg_nbd", "lightgbm")
TREES = 120
TREE_PARAMETERS = {
    "learning_rate": 0.04,
    "num_leaves": 15,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
}


@dataclass(frozen=True)
class Moment:
    """Users at a moment with their features, and the outcome if it is known."""

    users: Users
    features_UF: Floats
    outcome: Outcome | None


@dataclass(frozen=True)
class Fitting:
    seed: int
    threads: int


def predict_return(name: str, past: Sequence[Moment], now: Moment, fitting: Fitting) -> Floats:
    """probability_U of an order within 28 days."""
    if name == "bg_nbd":
        return fit_bg_nbd(now.users).returns(now.users, RETURN_DAYS)
    returned_R = np.concatenate([_outcome(each).returned_U for each in past])
    if returned_R.all() or not returned_R.any():  # one class only
        return np.full(len(now.users.user_ids), float(returned_R.mean()))
    if name == RECENCY:
        recency_R = np.concatenate([_log_recency(each.users) for each in past])
        model = LogisticRegression().fit(recency_R, returned_R)
        return model.predict_proba(_log_recency(now.users))[:, 1]
    features_RF = np.vstack([each.features_UF for each in past])
    if name == "logistic":
        filled = _Filled(features_RF)
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        pipeline.fit(filled(features_RF), returned_R)
        return pipeline.predict_proba(filled(now.features_UF))[:, 1]
    return _trees("binary", features_RF, returned_R, now, fitting)


def predict_value(name: str, past: Sequence[Moment], now: Moment, fitting: Fitting) -> Floats:
    """Expected money of the next 90 days by user."""
    users = now.users
    if name == RECENT_VALUE:
        days_U = np.maximum(users.age_U, RETURN_DAYS)
        return users.orders_U * users.mean_value_U * VALUE_DAYS / days_U
    if name == "bg_nbd":
        orders_U = fit_bg_nbd(users).orders(users, VALUE_DAYS)
        return orders_U * fit_gamma_gamma(users).value(users)
    features_RF = np.vstack([each.features_UF for each in past])
    value_R = np.concatenate([_outcome(each).value_U for each in past])
    return _trees("tweedie", features_RF, np.maximum(value_R, 0.0), now, fitting)


def _trees(
    objective: str, features_RF: Floats, target_R: np.ndarray, now: Moment, fitting: Fitting
) -> Floats:
    import lightgbm

    parameters = TREE_PARAMETERS | {
        "objective": objective,
        "seed": fitting.seed,
        "num_threads": fitting.threads,
    }
    data = lightgbm.Dataset(features_RF, target_R.astype(np.float64))
    model = lightgbm.train(parameters, data, num_boost_round=TREES)
    return np.asarray(model.predict(now.features_UF, num_threads=fitting.threads))


def _outcome(moment: Moment) -> Outcome:
    assert moment.outcome is not None, "a past moment has its outcome"
    return moment.outcome


def _log_recency(users: Users) -> Floats:
    return np.log1p(users.recency_U)[:, None]


class _Filled:
    """Medians for unknown values, and logarithms, since money and counts are skewed."""

    def __init__(self, features_RF: Floats) -> None:
        known_F = ~np.isnan(features_RF).all(axis=0)
        self._kept_F = np.flatnonzero(known_F)
        self._median_F = np.nanmedian(features_RF[:, self._kept_F], axis=0)

    def __call__(self, features_RF: Floats) -> Floats:
        kept_RF = features_RF[:, self._kept_F]
        filled_RF = np.where(np.isfinite(kept_RF), kept_RF, self._median_F)
        return np.sign(filled_RF) * np.log1p(np.abs(filled_RF))
