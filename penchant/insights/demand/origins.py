"""An origin: what every method forecasts from the weeks before it, and what then happened."""

from dataclasses import dataclass

import numpy as np

from penchant.insights.demand.global_model import global_forecasts
from penchant.insights.demand.methods import BASELINES, HORIZON, LOCAL
from penchant.insights.demand.series import DAYS, Demand, Floats
from penchant.insights.demand.volume import RECENT_WEEKS, Classes, volume_classes

LEAST_WEEKS = (
    16  # of history: eight before the first origin, then one to select and one to evaluate
)
FIRST_ORIGIN = 8
MOST_ORIGINS = 6
SHARE_WEEKS = 8  # that weekday shares are taken from
LEAST_PIECES = 200  # of a category, for weekday shares of its own
LEAST_SCALE = 0.3  # pieces
SCALE_WEEKS = 13  # short, so that an item that ended needs no safety stock
GLOBAL, COMBINED = "lightgbm", "combined"


@dataclass(frozen=True)
class Origin:
    """Nodes M are the items, then the categories, then the shop.

    ``base``: forecasts_MH by method, NaN where it isn't fitted. ``scale_M``: pieces that a week
    typically deviates by. ``active_M``: sold in the last half year. ``share_M7``: a weekday's share
    of a week. ``actual_MD``: pieces by day of the weeks ahead, empty where they are in the future.
    """

    week: int
    classes_M: Classes
    base: dict[str, Floats]
    scale_M: Floats
    change_M: Floats
    active_M: np.ndarray
    share_M7: Floats
    actual_MD: Floats

    @property
    def actual_MH(self) -> Floats:
        """Pieces by week ahead."""
        return self.actual_MD.reshape(len(self.actual_MD), HORIZON, DAYS).sum(axis=2)


def origin_weeks(weeks: int) -> tuple[list[int], list[int]]:
    """Origins to select on and origins to evaluate on, in weeks of history, every four weeks."""
    found = list(range(weeks - HORIZON, FIRST_ORIGIN - 1, -HORIZON))[:MOST_ORIGINS][::-1]
    half = len(found) // 2
    return found[: len(found) - half], found[len(found) - half :]


def origin_at(demand: Demand, week: int, seed: int, threads: int) -> Origin:
    """Forecast with every method from the first ``week`` weeks."""
    known = demand.until(week)
    nodes_MT = nodes(known, known.weekly_NT)
    classes_M = volume_classes(known.weekly_NT, len(demand.categories))
    base = {name: method(nodes_MT) for name, method in BASELINES.items()}
    learned = {GLOBAL: _of_items(global_forecasts(known, seed, threads), len(nodes_MT))}
    for name, (method, classes) in LOCAL.items():
        fitted_M = np.isin(classes_M, classes)
        learned[name] = np.full((len(nodes_MT), HORIZON), np.nan)
        learned[name][fitted_M] = method(nodes_MT[fitted_M])
    ahead = demand.pieces_ND[:, week * DAYS : (week + HORIZON) * DAYS]
    return Origin(
        week,
        classes_M,
        base | learned | {COMBINED: _mean_of(learned)},
        scale_of(nodes_MT),
        change_of(nodes_MT),
        (nodes_MT[:, -RECENT_WEEKS:] != 0).max(axis=1),
        weekday_shares(known),
        nodes(demand, ahead),
    )


def scale_of(series_MT: Floats) -> Floats:
    """Pieces that a week typically deviates by: scale_M."""
    recent_MT = series_MT[:, -SCALE_WEEKS:]
    return np.maximum(np.sqrt(recent_MT.var(axis=1) + recent_MT.mean(axis=1)), LEAST_SCALE)


def change_of(series_MT: Floats) -> Floats:
    """Mean absolute change from week to week: change_M."""
    return np.abs(np.diff(series_MT, axis=1)).mean(axis=1)


def weekday_shares(known: Demand) -> Floats:
    """Each node's share_M7, by place in the week, which ends at ``as_of``; of its category, or of
    the shop where the category sold little."""
    days_CD = known.by_category(known.pieces_ND[:, -SHARE_WEEKS * DAYS :])
    by_place_C7 = days_CD.reshape(len(days_CD), -1, DAYS).sum(axis=1)
    shop_7 = by_place_C7.sum(axis=0) + 1e-9
    own_C = by_place_C7.sum(axis=1) >= LEAST_PIECES
    counted_C7 = np.where(own_C[:, None], by_place_C7, shop_7)
    share_C7 = counted_C7 / counted_C7.sum(axis=1, keepdims=True)
    return np.vstack([share_C7[known.category_N], share_C7, shop_7 / shop_7.sum()])


def nodes(demand: Demand, values_NX: np.ndarray) -> Floats:
    """The items' rows with their sums by category and for the shop."""
    values = np.asarray(values_NX, np.float64)
    return np.vstack([values, demand.by_category(values), values.sum(axis=0, keepdims=True)])


def _of_items(forecasts_NH: Floats, count: int) -> Floats:
    forecasts_MH = np.full((count, HORIZON), np.nan)
    forecasts_MH[: len(forecasts_NH)] = forecasts_NH
    return forecasts_MH


def _mean_of(learned: dict[str, Floats]) -> Floats:
    """The mean of the methods that are fitted on a node."""
    stacked = np.stack(list(learned.values()))
    fitted = (~np.isnan(stacked)).sum(axis=0)
    return np.where(fitted, np.nansum(stacked, axis=0) / np.maximum(fitted, 1), np.nan)
