"""Forecasting methods: each maps weekly series to the next weeks' expected pieces.

Those of ``statsforecast`` fit one series at a time; ``global_model`` learns from all items.
"""

from collections.abc import Callable

import numpy as np

from penchant.insights.demand.series import Floats

HORIZON = 4  # weeks
YEAR = 52  # weeks
SHORT = 12  # weeks, below which a series has no model of its own

Method = Callable[[Floats], Floats]
"""series_NT to forecasts_NH."""


def seasonal_naive(series_NT: Floats) -> Floats:
    """Last week's pieces: the last season of seven days, repeated."""
    return np.repeat(series_NT[:, -1:], HORIZON, axis=1)


def mean_of_four(series_NT: Floats) -> Floats:
    """The mean of the last four weeks."""
    return np.repeat(series_NT[:, -4:].mean(axis=1, keepdims=True), HORIZON, axis=1)


def auto_ets(series_NT: Floats) -> Floats:
    """Exponential smoothing; error and trend by AICc (Hyndman and others, 2002)."""
    from statsforecast.models import AutoETS

    return _each(AutoETS(model="ZZN"), series_NT)


def croston(series_NT: Floats) -> Floats:
    """Croston's method for intermittent series, bias corrected (Syntetos and Boylan, 2005)."""
    from statsforecast.models import CrostonSBA

    return _each(CrostonSBA(), series_NT)


def tsb(series_NT: Floats) -> Floats:
    """Intermittent series that may end: the probability of a sale decays in weeks without one
    (Teunter, Syntetos and Babai, 2011)."""
    from statsforecast.models import TSB

    return _each(TSB(alpha_d=0.1, alpha_p=0.1), series_NT)


BASELINES: dict[str, Method] = {
    "seasonal_naive": seasonal_naive,
    "mean_of_four": mean_of_four,
}
"""What a shop would use today."""

LOCAL: dict[str, tuple[Method, tuple[str, ...]]] = {
    "auto_ets": (auto_ets, ("fast", "category", "shop")),
    "croston": (croston, ("slow", "medium")),
    "tsb": (tsb, ("slow", "medium")),
}
"""By name: the method and the volume classes that it is fitted on."""


def _each(model: object, series_NT: Floats) -> Floats:
    """A model on each series from its first sale on.

    A constant series continues; one that is too short for a model gets the mean of its last weeks.
    """
    forecasts_NH = np.zeros((len(series_NT), HORIZON))
    for row, series_T in enumerate(series_NT):
        sold = np.flatnonzero(series_T)
        if not len(sold):
            continue
        history = series_T[sold[0] :]
        if len(history) < SHORT or np.ptp(history) == 0:
            forecasts_NH[row] = history[-4:].mean()
        else:
            forecasts_NH[row] = model.forecast(history, HORIZON)["mean"]  # type: ignore[attr-defined]
    return np.maximum(np.nan_to_num(forecasts_NH), 0.0)
