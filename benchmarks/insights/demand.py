"""Demand forecasts on held-out weeks, against last season's pieces and the mean of four weeks."""

import time
from typing import Any

from benchmarks.insights.homes import homes_of
from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.artifacts.demand import DemandRecord
from penchant.insights.demand.origins import LEAST_WEEKS
from penchant.insights.demand.series import read_demand
from penchant.insights.demand.stage import forecast
from penchant.settings import Settings

TITLE = "Demand"
NAMES = {"ours": "ours", "mean_of_four": "mean of four weeks", "seasonal_naive": "last season"}


def measure(settings: Settings, *, homes: str = "") -> dict[str, Any]:
    """``homes``: other homes with a live snapshot, comma-separated."""
    return {name: _of_home(each) for name, each in homes_of(settings, homes)}


def _of_home(settings: Settings) -> dict[str, Any]:
    snapshot = Snapshot.live(settings)
    started = time.process_time()
    demand = read_demand(snapshot, settings.threads, LEAST_WEEKS)
    record, _, _ = forecast(settings, snapshot.id, demand)
    return {"cpu_seconds": time.process_time() - started, "record": record.as_dict()}


def page(figures: dict[str, Any]) -> str:
    return "\n\n".join(_page_of(name, figures[name]) for name in sorted(figures))


def _page_of(source: str, figures: dict[str, Any]) -> str:
    record = DemandRecord.model_validate(figures["record"])
    classes = [
        [
            f"{name} ({each.ours.series:,.0f})",
            each.method.replace("_", " "),
            *(
                f"{_of(each, method, 'total_wape'):.3f}"
                for method in ("ours", "mean_of_four", "seasonal_naive")
            ),
            interval(each.difference["mean_of_four"], 3, "+"),
            f"{each.ours.mase:.2f} / {each.baselines['mean_of_four'].mase:.2f}",
            f"{each.ours.pinball:.3f} / {each.baselines['mean_of_four'].pinball:.3f}",
            f"{each.ours.coverage:.1%}",
        ]
        for name, each in record.backtest.items()
    ]
    levels = [
        [way.replace("_", " "), *(f"{found[level]:.3f}" for level in ("item", "category", "shop"))]
        for way, found in record.total_wape.items()
    ]
    service = [
        [
            f"{each.weeks} weeks",
            f"{each.achieved:.1%} with {each.stock:.2f}",
            f"{each.baseline_achieved:.1%} with {each.baseline_stock:.2f}",
        ]
        for each in record.service
    ]
    head = [
        "class (series)",
        "method",
        *(f"WAPE, {NAMES[each]}" for each in ("ours", "mean_of_four", "seasonal_naive")),
        "ours less mean of four",
        "MASE",
        "pinball",
        "coverage of 90 %",
    ]
    return "\n\n".join(
        [
            f"**{source}**: {record.items:,} items, {record.categories} categories, "
            f"{record.weeks} weeks; selected on the origins after weeks "
            f"{_listed(record.validation_origins)}, evaluated on those after weeks "
            f"{_listed(record.test_origins)}; {figures['cpu_seconds']:.0f} CPU seconds for all "
            "origins and the forecast. WAPE is that of the four-week total, MASE and pinball are "
            "of weeks, with the mean of four weeks behind the slash.",
            grid(head, classes),
            "WAPE of the four-week total by level:",
            grid(["way to add up", "items", "categories", "shop"], levels),
            "Reorder points for a service level of 95 %: the share of lead times without a "
            "stock-out, and the stock that it takes, in pieces per piece sold. The usual rule is "
            "the mean of four weeks and 1.645 standard deviations.",
            grid(["lead time", "ours", "usual rule"], service),
        ]
    )


def _of(each: Any, method: str, measure: str) -> float:
    accuracy = each.ours if method == "ours" else each.baselines[method]
    return float(getattr(accuracy, measure))


def _listed(weeks: tuple[int, ...]) -> str:
    return ", ".join(map(str, weeks))
