"""Which method forecasts each volume class, how forecasts are made to add up, and their errors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penchant.artifacts.demand import Errors
from penchant.insights.demand.accuracy import total_wape
from penchant.insights.demand.methods import BASELINES, HORIZON
from penchant.insights.demand.origins import Origin
from penchant.insights.demand.reconcile import WAYS, bottom_up, min_trace
from penchant.insights.demand.series import Floats, Ints
from penchant.insights.demand.volume import CLASSES

LEVELS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
LOW, MEDIAN, HIGH = LEVELS.index(0.05), LEVELS.index(0.5), LEVELS.index(0.95)
ABOVE = ("category", "shop")
"""These two classes have few series: their errors are pooled."""


@dataclass(frozen=True)
class Hierarchy:
    """``category_N``: place of each item's category."""

    category_N: Ints
    categories: int


@dataclass(frozen=True)
class Selection:
    """``methods`` by class, ``way`` of reconciliation, ``spread``: root mean square of the
    standardized errors by class, ``errors`` of the reconciled forecasts."""

    methods: dict[str, str]
    way: str
    spread: dict[str, float]
    errors: dict[str, Errors]


def select(origins: Sequence[Origin], hierarchy: Hierarchy) -> Selection:
    """Select on past origins: the least 4-week WAPE of each class, then of the levels' mean."""
    present = [each for each in CLASSES if any((o.classes_M == each).any() for o in origins)]
    methods = {each: _best_method(origins, each) for each in present}
    spread = {each: _spread(origins, methods, each) for each in present}
    unfinished = Selection(methods, "", spread, {})
    ways = {
        way: [reconciled(origin, unfinished, hierarchy, way) for origin in origins] for way in WAYS
    }
    way = min(ways, key=lambda name: _levels_wape(origins, ways[name]))
    return Selection(methods, way, spread, errors_of(origins, ways[way]))


def composed(origin: Origin, methods: dict[str, str]) -> Floats:
    """Each node's base forecast by the method of its class."""
    base_MH = origin.base[next(iter(BASELINES))].copy()
    for each, method in methods.items():
        in_class_M = origin.classes_M == each
        base_MH[in_class_M] = origin.base[method][in_class_M]
    return base_MH


def reconciled(
    origin: Origin, selection: Selection, hierarchy: Hierarchy, way: str | None = None
) -> Floats:
    """Coherent forecasts of an origin. ``way``: by default the selected one."""
    base_MH = composed(origin, selection.methods)
    if (way or selection.way) == "bottom_up":
        return bottom_up(base_MH, hierarchy.category_N, hierarchy.categories)
    spread_M = np.array([selection.spread.get(each, 1.0) for each in origin.classes_M])
    variance_M = np.square(spread_M * origin.scale_M)
    return min_trace(base_MH, variance_M, hierarchy.category_N, hierarchy.categories)


def errors_of(origins: Sequence[Origin], forecasts: Sequence[Floats]) -> dict[str, Errors]:
    """Quantiles of the standardized errors by class: split conformal prediction, pooled over the
    series of a class (Vovk and others, 2005). A single category is the shop: its errors count once,
    else the finite-sample correction would believe in twice as many."""
    groups: dict[str, tuple[str, ...]] = {each: (each,) for each in CLASSES if each not in ABOVE}
    one = all((origin.classes_M == "category").sum() == 1 for origin in origins)
    groups |= dict.fromkeys(ABOVE, ABOVE[1:] if one else ABOVE)
    found = {}
    for name, classes in groups.items():
        scores = [
            _scores(origin, mean_MH, np.isin(origin.classes_M, classes) & origin.active_M)
            for origin, mean_MH in zip(origins, forecasts, strict=True)
        ]
        weeks_RH, totals_RH, days_RD = (
            np.concatenate([score[part] for score in scores]) for part in range(3)
        )
        if len(weeks_RH):
            found[name] = Errors(
                weeks=tuple(_quantiles(weeks_RH[:, week]) for week in range(HORIZON)),
                totals=tuple(_quantiles(totals_RH[:, week]) for week in range(HORIZON)),
                day=_quantiles(days_RD.ravel()),
            )
    return found


def bounds(origin: Origin, mean_MH: Floats, errors: dict[str, Errors], level: int) -> Floats:
    """A quantile of each node's weeks; ``level``: its place in LEVELS."""
    error_MH = np.zeros_like(mean_MH)
    for each, found in errors.items():
        error_MH[origin.classes_M == each] = [week[level] for week in found.weeks]
    return np.maximum(mean_MH + error_MH * origin.scale_M[:, None], 0.0)


def daily_means(origin: Origin, mean_MH: Floats) -> Floats:
    """Weeks divided among their days: mean_MD."""
    return (mean_MH[:, :, None] * origin.share_M7[:, None, :]).reshape(len(mean_MH), -1)


def daily_scale(origin: Origin) -> Floats:
    """Pieces that a day typically deviates by: scale_MD."""
    return origin.scale_M[:, None] * np.tile(np.sqrt(origin.share_M7) + 1e-3, HORIZON)


def _best_method(origins: Sequence[Origin], name: str) -> str:
    """Of those fitted on the class, baselines included."""
    scores: dict[str, float] = {}
    for method in origins[0].base:
        actual, mean = _rows(origins, name, method)
        if len(mean) and not np.isnan(mean).any():
            scores[method] = total_wape(actual, mean)
    known = {method: score for method, score in scores.items() if not np.isnan(score)}
    return min(known, key=lambda method: known[method], default="mean_of_four")


def _spread(origins: Sequence[Origin], methods: dict[str, str], name: str) -> float:
    errors = [
        ((origin.actual_MH - origin.base[methods[name]]) / origin.scale_M[:, None])[
            (origin.classes_M == name) & origin.active_M
        ].ravel()
        for origin in origins
    ]
    pooled = np.concatenate(errors)
    return float(np.sqrt(np.square(pooled).mean())) if len(pooled) else 1.0


def _rows(origins: Sequence[Origin], name: str, method: str) -> tuple[Floats, Floats]:
    chosen = [(origin, (origin.classes_M == name) & origin.active_M) for origin in origins]
    actual = np.concatenate([origin.actual_MH[rows_M] for origin, rows_M in chosen])
    return actual, np.concatenate([origin.base[method][rows_M] for origin, rows_M in chosen])


def _levels_wape(origins: Sequence[Origin], forecasts: Sequence[Floats]) -> float:
    """Mean over items, categories and shop of the 4-week WAPE."""
    return float(np.nanmean(list(levels_wape(origins, forecasts).values())))


def levels_wape(origins: Sequence[Origin], forecasts: Sequence[Floats]) -> dict[str, float]:
    """The 4-week WAPE of each level."""
    levels = {"item": ("slow", "medium", "fast"), "category": ("category",), "shop": ("shop",)}
    found = {}
    for level, classes in levels.items():
        rows = [
            (origin.actual_MH[chosen_M], mean_MH[chosen_M])
            for origin, mean_MH in zip(origins, forecasts, strict=True)
            for chosen_M in [np.isin(origin.classes_M, classes) & origin.active_M]
        ]
        actual = np.concatenate([actual for actual, _ in rows])
        found[level] = total_wape(actual, np.concatenate([mean for _, mean in rows]))
    return found


def _scores(origin: Origin, mean_MH: Floats, chosen_M: np.ndarray) -> tuple[Floats, Floats, Floats]:
    """Standardized errors of the weeks, of the totals of the first weeks, and of the days."""
    scale_M1 = origin.scale_M[chosen_M, None]
    error_RH = origin.actual_MH[chosen_M] - mean_MH[chosen_M]
    roots_H = np.sqrt(np.arange(1, HORIZON + 1))
    day_RD = origin.actual_MD[chosen_M] - daily_means(origin, mean_MH)[chosen_M]
    return (
        error_RH / scale_M1,
        error_RH.cumsum(axis=1) / (scale_M1 * roots_H),
        day_RD / daily_scale(origin)[chosen_M],
    )


def _quantiles(scores_R: Floats) -> tuple[float, ...]:
    """At LEVELS, moved outwards by the finite-sample correction of conformal prediction."""
    wider = (len(scores_R) + 1) / len(scores_R)
    levels = [1 - min(1.0, (1 - p) * wider) if p < 0.5 else min(1.0, p * wider) for p in LEVELS]
    return tuple(float(value) for value in np.quantile(scores_R, levels))
