"""Evaluate forecasts on weeks that nothing was selected on, against what a shop would use today."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penchant.artifacts.demand import Accuracy, ClassAccuracy, Errors, Service
from penchant.insights.demand.accuracy import HeldOut, accuracy, wape_difference
from penchant.insights.demand.methods import BASELINES
from penchant.insights.demand.origins import Origin
from penchant.insights.demand.selection import (
    HIGH,
    LEVELS,
    LOW,
    MEDIAN,
    Hierarchy,
    Selection,
    bounds,
    composed,
    levels_wape,
    reconciled,
)
from penchant.insights.demand.series import Floats
from penchant.insights.demand.volume import CLASSES

LEAD_WEEKS = (1, 2)
SERVICE_LEVEL, NORMAL_QUANTILE = 0.95, 1.645
ITEMS = ("slow", "medium", "fast")


@dataclass(frozen=True)
class Backtest:
    """Accuracy by volume class, service of reorder points, and the 4-week WAPE by level of each
    way to make forecasts add up."""

    classes: dict[str, ClassAccuracy]
    service: tuple[Service, ...]
    total_wape: dict[str, dict[str, float]]


def backtest(
    held_out: Sequence[Origin],
    selection: Selection,
    baseline_errors: dict[str, dict[str, Errors]],
    hierarchy: Hierarchy,
) -> Backtest:
    """``baseline_errors``: by baseline and class, from the same past as those of ``selection``."""
    ours = [reconciled(origin, selection, hierarchy) for origin in held_out]
    evaluated = _held_out(held_out, ours, selection.errors)
    baselines = {}
    for name in BASELINES:
        means = [origin.base[name] for origin in held_out]
        baselines[name] = _held_out(held_out, means, baseline_errors[name])
    classes_R = np.concatenate([origin.classes_M[origin.active_M] for origin in held_out])
    return Backtest(
        {
            each: _of_class(classes_R == each, each, selection, evaluated, baselines)
            for each in CLASSES
            if (classes_R == each).any()
        },
        tuple(_service(held_out, ours, selection, weeks) for weeks in LEAD_WEEKS),
        _ways(held_out, selection, hierarchy, ours),
    )


def _of_class(
    chosen_R: np.ndarray,
    name: str,
    selection: Selection,
    evaluated: HeldOut,
    baselines: dict[str, HeldOut],
) -> ClassAccuracy:
    rows = evaluated.rows(chosen_R)
    others = {each: found.rows(chosen_R) for each, found in baselines.items()}
    return ClassAccuracy(
        method=selection.methods.get(name, "none"),
        ours=Accuracy(**accuracy(rows)),
        baselines={each: Accuracy(**accuracy(found)) for each, found in others.items()},
        difference={each: wape_difference(rows, found) for each, found in others.items()},
    )


def _held_out(
    origins: Sequence[Origin], means: Sequence[Floats], errors: dict[str, Errors]
) -> HeldOut:
    """The active nodes of all origins, one below the other."""
    parts = []
    for origin, mean_MH in zip(origins, means, strict=True):
        quantiles = (bounds(origin, mean_MH, errors, level) for level in (LOW, MEDIAN, HIGH))
        columns = (origin.actual_MH, mean_MH, *quantiles, origin.change_M)
        parts.append([column[origin.active_M] for column in columns])
    return HeldOut(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _ways(
    held_out: Sequence[Origin], selection: Selection, hierarchy: Hierarchy, ours: list[Floats]
) -> dict[str, dict[str, float]]:
    found = {
        way: levels_wape(held_out, [reconciled(o, selection, hierarchy, way) for o in held_out])
        for way in ("bottom_up", "min_trace")
    }
    found["not reconciled"] = levels_wape(
        held_out, [composed(origin, selection.methods) for origin in held_out]
    )
    for name in BASELINES:
        found[name] = levels_wape(held_out, [origin.base[name] for origin in held_out])
    return found | {"selected": levels_wape(held_out, ours)}


def _service(
    held_out: Sequence[Origin], ours: Sequence[Floats], selection: Selection, weeks: int
) -> Service:
    """Items whose demand over a lead time stayed within the reorder point, against the usual rule:
    the mean of four weeks and 1.645 standard deviations."""
    level, root = LEVELS.index(SERVICE_LEVEL), np.sqrt(weeks)
    demand, points, usual = [], [], []
    for origin, mean_MH in zip(held_out, ours, strict=True):
        chosen_M = np.isin(origin.classes_M, ITEMS) & origin.active_M
        error_M = np.array(
            [
                selection.errors[each].totals[weeks - 1][level] if each in selection.errors else 0.0
                for each in origin.classes_M[chosen_M]
            ]
        )
        total_R = mean_MH[chosen_M, :weeks].sum(axis=1)
        points.append(np.maximum(total_R + error_M * origin.scale_M[chosen_M] * root, 0.0))
        four_R = origin.base["mean_of_four"][chosen_M, :weeks].sum(axis=1)
        usual.append(four_R + NORMAL_QUANTILE * origin.scale_M[chosen_M] * root)
        demand.append(origin.actual_MH[chosen_M, :weeks].sum(axis=1))
    demand_R, points_R, usual_R = (np.concatenate(each) for each in (demand, points, usual))
    sold = max(float(demand_R.sum()), 1e-9)
    return Service(
        weeks=weeks,
        asked=SERVICE_LEVEL,
        achieved=float((demand_R <= points_R).mean()),
        stock=float(points_R.sum() / sold),
        baseline_achieved=float((demand_R <= usual_R).mean()),
        baseline_stock=float(usual_R.sum() / sold),
    )
