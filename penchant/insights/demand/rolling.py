"""Errors of the few series above the items, from an origin in every past week.

A prediction interval of 90 % by split conformal prediction needs at least 19 scores a side. A shop
with one category has six from the origins that methods are selected on, and the largest of six
errors is exceeded too often. The methods of categories and of the shop fit one series at a time, so
an origin in every week costs little. Each ends before the forecast begins. The errors are those of
the forecasts before reconciliation.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from penchant.artifacts.demand import Errors
from penchant.insights.demand.methods import BASELINES, HORIZON, LOCAL
from penchant.insights.demand.origins import (
    COMBINED,
    FIRST_ORIGIN,
    Origin,
    change_of,
    nodes,
    scale_of,
    weekday_shares,
)
from penchant.insights.demand.selection import ABOVE, Selection, errors_of
from penchant.insights.demand.series import DAYS, Demand, Floats

LEAST_SCORES = 60
METHODS = {**BASELINES, **{name: method for name, (method, _) in LOCAL.items()}}
METHODS[COMBINED] = METHODS["auto_ets"]  # no other method of it is fitted on these series


def calibrated(selection: Selection, demand: Demand, week: int, origins: int) -> Selection:
    """``selection`` with errors of every origin whose four weeks ended by ``week``, if the
    ``origins`` that it was made on leave too few scores above the items."""
    return replace(
        selection,
        errors=calibrated_errors(selection.errors, selection.methods, demand, week, origins),
    )


def calibrated_errors(
    errors: dict[str, Errors],
    methods: Mapping[str, str],
    demand: Demand,
    week: int,
    origins: int,
) -> dict[str, Errors]:
    """``methods`` by class, which ``errors`` are of."""
    categories = len(demand.categories)
    if origins * (categories + 1 if categories > 1 else 1) >= LEAST_SCORES:
        return errors
    weeks = range(FIRST_ORIGIN, week - HORIZON + 1)
    found = [_origin_above(demand, each, methods) for each in weeks]
    if len(found) <= origins:
        return errors
    return errors | errors_of([origin for origin, _ in found], [mean for _, mean in found])


def _origin_above(demand: Demand, week: int, methods: Mapping[str, str]) -> tuple[Origin, Floats]:
    """The nodes above the items, and their forecasts from the first ``week`` weeks."""
    known, items = demand.until(week), len(demand.item_ids)
    series_MT = nodes(known, known.weekly_NT)[items:]
    classes_M = np.array(["category"] * len(demand.categories) + ["shop"], dtype=object)
    mean_MH = np.zeros((len(series_MT), HORIZON))
    for each in ABOVE:
        chosen_M = classes_M == each
        mean_MH[chosen_M] = METHODS[methods[each]](series_MT[chosen_M])
    ahead = demand.pieces_ND[:, week * DAYS : (week + HORIZON) * DAYS]
    origin = Origin(
        week,
        classes_M,
        {},
        scale_of(series_MT),
        change_of(series_MT),
        np.any(series_MT != 0, axis=1),
        weekday_shares(known)[items:],
        nodes(demand, ahead)[items:],
    )
    return origin, mean_MH
