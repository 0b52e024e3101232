"""The leaderboard: the accuracy and cost of each model family."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from penchant.api.console.render import page, safe_svg
from penchant.api.console.session import READ_SCOPES, RequireVisitor, Visitor
from penchant.api.http.services import AppServices
from penchant.errors import UsageError
from penchant.plots.bar_plot import Bar, bar_plot
from penchant.serving.status import METRIC, status

POPULATIONS = {"all": "All items", "new": "Items new to the user"}
router = APIRouter()


@router.get("/families")
def families(
    request: Request,
    visitor: Annotated[Visitor, Depends(RequireVisitor(READ_SCOPES))],
    services: AppServices,
) -> HTMLResponse:
    state = status(services.settings)
    if not state["families"]:
        raise UsageError(
            "no family is trained yet", "run `penchant train`, then `penchant select-models`"
        )
    ranked = {
        population: sorted(
            (run for run in state["families"] if _metric(run, population)),
            key=lambda run: -_metric(run, population)["mean"],
        )
        for population in POPULATIONS
    }
    selection = state["selection"] or {"reasons": [], "failures": {}, "snapshot_id": None}
    return page(
        request,
        "families.html",
        visitor,
        plots=[
            (f"{title}: {METRIC.upper()}", safe_svg(_plot(ranked[population], population)))
            for population, title in POPULATIONS.items()
            if ranked[population]
        ],
        ranked=ranked["all"],
        others=[run for run in state["families"] if not run["metrics"]],
        metric=METRIC,
        reasons=selection["reasons"],
        failures=selection["failures"],
        users=max((run["users_evaluated"] or 0 for run in ranked["all"]), default=0),
        snapshot_id=selection["snapshot_id"],
    )


def _metric(run: dict[str, Any], population: str) -> dict[str, float]:
    """Empty if the run was not evaluated on the population."""
    return (run["metrics"] or {}).get(population, {}).get(METRIC) or {}


def _plot(runs: list[dict[str, Any]], population: str) -> str:
    return bar_plot([_bar(run, _metric(run, population)) for run in runs], METRIC, "{:.2g}".format)


def _bar(run: dict[str, Any], metric: dict[str, float]) -> Bar:
    name = run["family"].replace("_", " ")
    interval = f"{metric['low']:.4f} to {metric['high']:.4f}"
    return Bar(
        label=name,
        value=metric["mean"],
        low=metric["low"],
        high=metric["high"],
        note=f"{metric['mean']:.4f}",
        style="bar-all" if run["roles"] else "bar-rest",
        tip=f"{name}: {metric['mean']:.4f}, 95 % interval {interval}",
    )
